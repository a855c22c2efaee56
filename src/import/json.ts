import type { z } from 'zod';
import { KvalError } from '../errors.js';

export type Json = z.infer<ReturnType<typeof z.json>>;
export type JsonObject = { readonly [key: string]: Json };

/** JSON as Python writes it: `NaN` and the infinities, which are no JSON, are read as null. */
export function parseJson(text: string): Json {
  try {
    return readJson(text);
  } catch (first) {
    if (/NaN|Infinity/.test(text)) {
      try {
        return readJson(withoutNonFinite(text));
      } catch {
        // the first message names the place in the text as it stands
      }
    }
    throw new KvalError('bad-input', `not JSON: ${first instanceof Error ? first.message : String(first)}`, {
      cause: first,
    });
  }
}

function readJson(text: string): Json {
  const value: Json = JSON.parse(text);
  return value;
}

const nonFinite = /-?Infinity|NaN/y;

function withoutNonFinite(text: string): string {
  let result = '';
  let copied = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (inString) {
      if (character === '\\') at += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === 'N' || character === 'I' || character === '-') {
      nonFinite.lastIndex = at;
      const match = nonFinite.exec(text);
      if (match) {
        result += `${text.slice(copied, at)}null`;
        at += match[0].length - 1;
        copied = at + 1;
      }
    }
  }
  return result + text.slice(copied);
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Parses a row: one JSON object. */
export function parseRow(text: string): JsonObject {
  const value = parseJson(text);
  if (!isObject(value)) throw new KvalError('bad-input', `a row is a JSON object, this is ${describe(value)}`);
  return value;
}

function describe(value: Json): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}

/** The first of several names under which a field is published; null values and missing ones are the same. */
export function fieldOf(row: JsonObject, names: readonly string[]): Json {
  for (const name of names) {
    const value = Object.hasOwn(row, name) ? row[name] : undefined;
    if (value !== undefined && value !== null) return value;
  }
  return null;
}

/** A field that is text with something in it, or null. */
export function textOf(row: JsonObject, names: readonly string[]): string | null {
  const value = fieldOf(row, names);
  return typeof value === 'string' && value.trim() !== '' ? value : null;
}

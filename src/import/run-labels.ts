import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fieldOf, isObject, type Json, type JsonObject, parseJson, textOf } from './json.js';
import { parseLevel, parseNumber } from './problem-key.js';
import type { ImportNote } from './report.js';
import { readDocument } from './rows.js';

/** A result record of a runs folder, before it has met its kernel. */
export interface RunLabel {
  readonly level: number | null;
  readonly number: number;
  readonly sample: number;
  readonly record: JsonObject;
}

export interface RunLabels {
  readonly labels: readonly RunLabel[];
  readonly malformed: readonly ImportNote[];
}

/**
 * `eval_results.json` in its three dialects: `{"19": [{sample_id, ...}]}`, `{"19": {...}}`, and a list of
 * `{evaluation_id, task_id, ...}`.
 */
export async function readEvalResults(folder: string): Promise<RunLabels> {
  const where = 'eval_results.json';
  const document = parseJson(await readDocument(join(folder, where)));
  const labels: RunLabel[] = [];
  const malformed: ImportNote[] = [];
  const take = (name: Json, record: Json | undefined, line: number | null): void => {
    const number = parseNumber(name);
    if (number === null || !isObject(record)) {
      malformed.push({ where, line, reason: `no result record of a problem: ${JSON.stringify(name).slice(0, 80)}` });
      return;
    }
    const level = number.level ?? parseLevel(fieldOf(record, ['level']));
    labels.push({ level, number: number.number, sample: sampleOf(record), record: resultOf(record) });
  };
  if (Array.isArray(document)) {
    for (const [index, entry] of document.entries()) {
      take(isObject(entry) ? fieldOf(entry, ['task_id', 'problem_id']) : null, entry, index + 1);
    }
  } else if (isObject(document)) {
    for (const [name, entry] of Object.entries(document)) {
      for (const record of Array.isArray(entry) ? entry : [entry]) take(name, record, null);
    }
  } else malformed.push({ where, line: null, reason: 'neither an object nor a list' });
  return { labels, malformed };
}

/** `detailed_results.json`: `{run_info, config, results: [{problem_id, success, eval_time, eval_result}]}`. */
export async function readDetailedResults(
  folder: string,
): Promise<RunLabels & { level: number | null; generator: string | null }> {
  const where = 'detailed_results.json';
  const document = parseJson(await readDocument(join(folder, where)));
  const results = isObject(document) ? document.results : undefined;
  if (!isObject(document) || !Array.isArray(results)) {
    return {
      labels: [],
      malformed: [{ where, line: null, reason: 'no list of results' }],
      level: null,
      generator: null,
    };
  }
  const about = [document.run_info, document.config].filter(isObject);
  const labels: RunLabel[] = [];
  const malformed: ImportNote[] = [];
  for (const [index, entry] of results.entries()) {
    const number = isObject(entry) ? parseNumber(fieldOf(entry, ['problem_id', 'task_id'])) : null;
    if (!isObject(entry) || number === null) {
      malformed.push({ where, line: index + 1, reason: 'no result record of a problem' });
      continue;
    }
    labels.push({ level: number.level, number: number.number, sample: sampleOf(entry), record: resultOf(entry) });
  }
  const generator = about.map((part) => textOf(part, ['model', 'model_name'])).find((name) => name !== null) ?? null;
  const level = about.map((part) => parseLevel(fieldOf(part, ['level']))).find((value) => value !== null) ?? null;
  return { labels, malformed, level, generator };
}

/** The record itself, or the one inside; what stands around it (durations) stays with it. */
function resultOf(entry: JsonObject): JsonObject {
  const inner = ['eval_result', 'result'].map((name) => entry[name]).find(isObject);
  if (!inner) return entry;
  const { eval_result: _, result: __, ...around } = entry;
  return { ...around, ...inner };
}

function sampleOf(record: JsonObject): number {
  const value = Number(fieldOf(record, ['sample_id', 'sample']) ?? 0);
  return Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

/** What a runs folder says about itself in the flat YAML of `generation_config.yaml`. */
export interface RunConfig {
  readonly run: string | null;
  readonly generator: string | null;
  readonly backend: string | null;
  readonly level: number | null;
  /** Ours, not KernelBench's: the set that the problem numbers belong to. */
  readonly set: string | null;
  readonly temperature: number | null;
}

export async function readRunConfig(folder: string): Promise<RunConfig> {
  const path = join(folder, 'generation_config.yaml');
  const values = existsSync(path) ? flatYaml(await readFile(path, 'utf8')) : new Map<string, string>();
  return {
    run: values.get('run_name') ?? null,
    generator: values.get('model_name') ?? null,
    backend: values.get('backend') ?? null,
    level: parseLevel(values.get('level') ?? null),
    set: values.get('problem_set') ?? null,
    temperature: values.has('temperature') ? Number(values.get('temperature')) : null,
  };
}

/** Top-level `name: scalar` lines; lists, nested values and YAML's nulls are left out. */
function flatYaml(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = /^([A-Za-z_]\w*):\s+(.+?)\s*$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    const value = unquoted(match[2]);
    if (!/^(?:null|~|None|)$/.test(value)) values.set(match[1], value);
  }
  return values;
}

function unquoted(value: string): string {
  if (/^".*"$/.test(value)) {
    const text = parseJson(value);
    if (typeof text === 'string') return text;
  }
  return value.replace(/^'(.*)'$/, '$1');
}

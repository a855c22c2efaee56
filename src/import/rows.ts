import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { KvalError, toKvalError } from '../errors.js';
import { isObject, type JsonObject, parseJson, parseRow } from './json.js';
import { decodeUtf8, readLines } from './lines.js';
import { readParquetRows } from './parquet.js';
import { malformedBy, stopIfAborted } from './report.js';

/** A row of a table-like file, or why it is none. */
export type Row =
  | { readonly line: number; readonly row: JsonObject }
  | { readonly line: number; readonly reason: string };

export type RowFormat = 'jsonl' | 'json' | 'parquet';
export type FileKind = RowFormat | 'source';

/** A JSON document is read whole; beyond this it should be JSON Lines. */
const documentSizeLimit = 256 * 2 ** 20;
const peekSize = 64 * 2 ** 10;

/** Rows of a JSON Lines, JSON or parquet file, in bounded memory except for a JSON document, which is bounded in size. */
export async function* readRows(path: string, format: RowFormat, signal?: AbortSignal): AsyncGenerator<Row> {
  switch (format) {
    case 'jsonl':
      yield* rowsOfLines(createReadStream(path, { highWaterMark: 2 ** 20 }), signal);
      return;
    case 'json':
      yield* rowsOfDocument(await readDocument(path), signal);
      return;
    case 'parquet':
      yield* readParquetRows(path, signal);
      return;
  }
}

export async function* rowsOfLines(
  bytes: Readable | AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): AsyncGenerator<Row> {
  for await (const line of readLines(bytes, { signal })) {
    if ('reason' in line) {
      yield { line: line.number, reason: line.reason };
      continue;
    }
    let row: Row;
    try {
      row = { line: line.number, row: parseRow(line.text) };
    } catch (thrown) {
      row = refused(thrown, line.number);
    }
    yield row;
  }
}

function refused(thrown: unknown, line: number): Row {
  const event = malformedBy(thrown, '', line);
  return { line, reason: event.kind === 'malformed' ? event.reason : 'not a row' };
}

/** An array of rows, or an object that holds one under a usual name, or one row. */
async function* rowsOfDocument(text: string, signal?: AbortSignal): AsyncGenerator<Row> {
  const document = parseJson(text);
  const held = isObject(document)
    ? ['rows', 'data', 'candidates', 'problems'].map((name) => document[name]).find(Array.isArray)
    : document;
  const rows = Array.isArray(held) ? held : [document];
  for (const [index, row] of rows.entries()) {
    stopIfAborted(signal);
    yield isObject(row)
      ? { line: index + 1, row }
      : { line: index + 1, reason: 'a row is a JSON object, this is none' };
  }
}

export async function readDocument(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > documentSizeLimit) {
    throw new KvalError('bad-input', `${path} has ${size} bytes; a JSON document is read up to ${documentSizeLimit}`, {
      fix: 'Write it as JSON Lines (one object a line), which is read without a limit.',
    });
  }
  const text = decodeUtf8(await readFile(path));
  if (text === null) throw new KvalError('bad-input', `${path} is not UTF-8 text`);
  return text;
}

/** What a file holds, by its first bytes; the name is asked only where they leave it open. */
export async function kindOfFile(path: string): Promise<FileKind> {
  const handle = await open(path, 'r').catch((thrown: unknown) => {
    throw toKvalError(thrown);
  });
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(peekSize), 0, peekSize, 0);
    if (bytesRead === 0) {
      throw new KvalError('bad-input', `${path} is empty`, { fix: 'Name a file that has something in it.' });
    }
    const head = buffer.subarray(0, bytesRead);
    if (head.subarray(0, 4).toString('latin1') === 'PAR1') return 'parquet';
    return kindOfText(head, bytesRead < peekSize, path);
  } finally {
    await handle.close();
  }
}

/** `head` is the beginning of a text, `whole` says that it is all of it. */
export function kindOfText(head: Uint8Array, whole: boolean, name = ''): 'jsonl' | 'json' | 'source' {
  const text = Buffer.from(head)
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trimStart();
  if (/\.(?:py|cu|cuh|cpp)$/i.test(name)) return 'source';
  if (/\.(?:jsonl|ndjson)$/i.test(name)) return 'jsonl';
  if (text.startsWith('[')) return 'json';
  if (!text.startsWith('{')) return 'source';
  const end = text.indexOf('\n');
  if (end < 0) return whole && !parses(text) ? 'source' : 'jsonl';
  return parses(text.slice(0, end)) ? 'jsonl' : /^\{\s*["}]/.test(text) ? 'json' : 'source';
}

function parses(text: string): boolean {
  try {
    parseJson(text);
    return true;
  } catch {
    return false;
  }
}

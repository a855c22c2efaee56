import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { candidateSizeLimit, makeCandidate } from '../candidate.js';
import { KvalError } from '../errors.js';
import { officialSet, type Problem, parseProblemId, problemId, sha256 } from '../problem.js';
import { type ImportedCandidate, looksLikeCuda, type RowContext } from './candidate-row.js';
import { generatorOf } from './generator.js';
import { problemKeyOfPath } from './problem-key.js';
import { collectReport, type ImportEvent, type ImportReport, malformedBy, stopIfAborted } from './report.js';
import { type FileKind, kindOfFile, kindOfText, type RowFormat, readRows, rowsOfLines } from './rows.js';
import { candidatesOfRows, dialectOf, type FolderDialect, readRunsFolder, type Stated } from './runs-folder.js';
import { decodeSource, readSource } from './source-file.js';

export type { ImportedCandidate } from './candidate-row.js';

export const candidateFormats = [
  'auto',
  'runs',
  'detailed',
  'results',
  'jsonl',
  'json',
  'parquet',
  'source',
  'files',
] as const;
/** `files` takes every source file of a folder, whatever else is in it; the others name one layout. */
export type CandidateFormat = (typeof candidateFormats)[number];

export interface ReadCandidatesOptions {
  readonly format?: CandidateFormat;
  /** The problem set that the numbers belong to; the official one without it. */
  readonly set?: string;
  /** One problem id for everything that is read. */
  readonly problem?: string;
  /** The level, where neither rows nor names say it. */
  readonly level?: number;
  /** Problems by whose file names (`19_ReLU`) a source file or one of its folders may say what it is for. */
  readonly problems?: readonly Problem[];
  readonly source?: string;
  readonly run?: string;
  readonly generator?: string;
  readonly signal?: AbortSignal;
  /** What `-` reads; the process's standard input without it. */
  readonly input?: Readable;
}

/**
 * Reads candidates from a file, a folder of runs, a folder of sources, or standard input (`-`).
 *
 * Throws a `KvalError` where there is nothing to read (no such path, an empty file, a folder with nothing in it);
 * whatever is wrong with a single record is in the report instead.
 */
export function readCandidates(
  path: string,
  options: ReadCandidatesOptions = {},
): Promise<ImportReport<ImportedCandidate>> {
  return collectReport(candidatesIn(path, options));
}

/** The same, one event at a time: memory stays bounded however large the file is. */
export async function* candidatesIn(path: string, options: ReadCandidatesOptions = {}): Events {
  const stated: Stated = {
    set: options.set ?? null,
    problemId: options.problem === undefined ? null : normalProblemId(options.problem),
    level: options.level ?? null,
    source: options.source ?? null,
    run: options.run ?? null,
    generator: options.generator ?? null,
    signal: options.signal,
    named: idsByFileName(options.problems ?? []),
  };
  const format = options.format ?? 'auto';
  if (path === '-') return yield* withoutRepeats(readInput(options.input ?? process.stdin, format, stated));
  const place = await statOf(path);
  if (!place.isDirectory()) return yield* withoutRepeats(readOneFile(path, format, stated));
  yield* withoutRepeats(readFolder(path, format, stated));
}

/** `19_ReLU` -> `level1/19`; a name that two problems share names none. */
function idsByFileName(problems: readonly Problem[]): ReadonlyMap<string, string> {
  const ids = new Map<string, string>();
  const shared = new Set<string>();
  for (const { id, number, name } of problems) {
    const file = `${number}_${name}`;
    if (ids.has(file) && ids.get(file) !== id) shared.add(file);
    ids.set(file, id);
  }
  for (const file of shared) ids.delete(file);
  return ids;
}

type Events = AsyncGenerator<ImportEvent<ImportedCandidate>>;

function normalProblemId(text: string): string {
  const { set, level, number } = parseProblemId(text);
  return problemId(set, level, number);
}

async function statOf(path: string): Promise<Awaited<ReturnType<typeof stat>>> {
  try {
    return await stat(path);
  } catch (cause) {
    throw new KvalError('bad-input', `cannot read ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
      fix: 'Name a file or folder that exists and that you may read, or `-` for standard input.',
    });
  }
}

async function* readOneFile(path: string, format: CandidateFormat, stated: Stated): Events {
  const name = basename(path);
  if (format === 'auto' && (name === 'eval_results.json' || name === 'detailed_results.json')) {
    return yield* readFolder(resolve(path, '..'), 'auto', stated);
  }
  const kind = fileKind(format) ?? (await kindOfFile(path));
  if (kind !== 'source') {
    const context = rowContext(stated, basename(path, extname(path)));
    return yield* candidatesOfRows(readRows(path, kind, stated.signal), name, context);
  }
  yield {
    kind: 'item',
    item: sourceCandidate(await readSource(path), resolve(path), name, stated),
    where: name,
    line: null,
  };
}

function fileKind(format: CandidateFormat): FileKind | null {
  switch (format) {
    case 'auto':
      return null;
    case 'jsonl':
    case 'json':
    case 'parquet':
    case 'source':
      return format;
    case 'files':
      return 'source';
    case 'runs':
    case 'detailed':
    case 'results':
      throw new KvalError('usage', `--format ${format} reads a folder, and this is a file`);
  }
}

function rowContext(stated: Stated, name: string): RowContext {
  return {
    source: stated.source ?? name,
    run: stated.run ?? name,
    level: stated.level,
    set: stated.set,
    problemId: stated.problemId,
    generator: stated.generator,
  };
}

/** One source file: its problem is stated, or its path names it. */
function sourceCandidate(text: string, path: string, run: string, stated: Stated): ImportedCandidate {
  const id = stated.problemId ?? problemIdOfPath(path, stated);
  if (id === null) {
    throw new KvalError('bad-input', `${path === '-' ? 'standard input' : path} does not say which problem it is for`, {
      fix: 'Name the problem with --problem level1/19, or the file like level1/19_anything.py.',
    });
  }
  const source = stated.source ?? run;
  const candidate = makeCandidate({
    source: text,
    language: path.endsWith('.cu') || looksLikeCuda(text) ? 'cuda' : 'python',
    problemId: id,
    origin: {
      generator: generatorOf({ stated: stated.generator, run: stated.run, source: stated.source }),
      run: stated.run ?? run,
      sample: Number(/sample[_-]?(\d{1,6})/i.exec(basename(path))?.[1] ?? 0),
      source,
    },
  });
  return { candidate, published: null, problem: null, backend: null, hasCudaKernel: null };
}

/** From the inside out: the file, its folder, ... by a problem's file name; then `level1/19` anywhere; then a bare number. */
function problemIdOfPath(path: string, stated: Stated): string | null {
  const parts = path.split(/[\\/]/).reverse();
  for (const part of parts) {
    const id = stated.named.get(part) ?? stated.named.get(part.replace(/\.(?:py|cu)$/i, ''));
    if (id !== undefined) return id;
  }
  const key = problemKeyOfPath(path) ?? levelAndNumber(path, stated.level);
  return key === null ? null : problemId(stated.set ?? officialSet, key.level, key.number);
}

function levelAndNumber(path: string, level: number | null): { level: number; number: number } | null {
  const number = /^(?:problem[_-]?)?(\d{1,6})(?:[_.-]|$)/i.exec(basename(path))?.[1];
  return level === null || number === undefined ? null : { level, number: Number(number) };
}

const sourceFile = /\.(?:py|cu)$/i;
const rowFile = /\.(?:jsonl|ndjson|parquet)$/i;
const passedOver = /^(?:\..*|__pycache__|__init__\.py|node_modules|conftest\.py)$/;

/** Walks a folder: each folder of runs in it in its own dialect, everything else file by file, in the order of names. */
async function* readFolder(folder: string, format: CandidateFormat, stated: Stated): Events {
  let found = false;
  for await (const event of walk(folder, '', format, stated)) {
    found = true;
    yield event;
  }
  if (!found) {
    throw new KvalError('bad-input', `${folder} holds no candidates`, {
      fix: 'Name a KernelBench runs folder, a folder of .py or .cu files, or a JSON Lines or parquet file.',
    });
  }
}

async function* walk(root: string, where: string, format: CandidateFormat, stated: Stated): Events {
  const folder = join(root, where);
  const entries = await readdir(folder, { withFileTypes: true }).catch((thrown: unknown) =>
    malformedBy(thrown, where, null),
  );
  if (!Array.isArray(entries)) return yield entries;
  const names = entries.map((entry) => entry.name);
  const dialect = folderDialect(format, names);
  if (dialect !== null) return yield* readRunsFolder(resolve(folder), where, dialect, stated);
  for (const entry of entries.sort((a, b) => byName(a.name, b.name))) {
    stopIfAborted(stated.signal);
    if (passedOver.test(entry.name)) continue;
    const inner = where === '' ? entry.name : `${where}/${entry.name}`;
    if (entry.isDirectory()) yield* walk(root, inner, format, stated);
    else yield* readEntry(resolve(root), inner, format, stated);
  }
}

function folderDialect(format: CandidateFormat, names: readonly string[]): FolderDialect | null {
  if (format === 'auto') return dialectOf(names);
  return format === 'runs' || format === 'detailed' || format === 'results' ? format : null;
}

/** One file of a folder; what is wrong with it is noted and does not stop the rest. */
async function* readEntry(root: string, where: string, format: CandidateFormat, stated: Stated): Events {
  const path = join(root, where);
  try {
    if (sourceFile.test(where) && (format === 'auto' || format === 'files' || format === 'source')) {
      const item = sourceCandidate(await readSource(path), path, basename(root), stated);
      yield { kind: 'item', item, where, line: null };
      return;
    }
    const kind = rowFormatOf(where, format);
    if (kind === null) return;
    await kindOfFile(path);
    const context = rowContext(stated, basename(where, extname(where)));
    yield* candidatesOfRows(readRows(path, kind, stated.signal), where, context);
  } catch (thrown) {
    yield malformedBy(thrown, where, null);
  }
}

function rowFormatOf(where: string, format: CandidateFormat): RowFormat | null {
  const extension = extname(where).slice(1).toLowerCase();
  if (format === 'json' || (format === 'jsonl' && extension === 'json')) return extension === 'json' ? format : null;
  if (!rowFile.test(where) || (format !== 'auto' && format !== 'jsonl' && format !== 'parquet')) return null;
  const kind = extension === 'parquet' ? 'parquet' : 'jsonl';
  return format === 'auto' || format === kind ? kind : null;
}

function byName(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** Standard input: JSON Lines where it begins with a JSON object, otherwise one source. */
async function* readInput(input: Readable, format: CandidateFormat, stated: Stated): Events {
  const context = { ...rowContext(stated, 'stdin') };
  if (format === 'jsonl') return yield* candidatesOfRows(rowsOfLines(input, stated.signal), '-', context);
  if (format !== 'auto' && format !== 'source') {
    throw new KvalError('usage', `standard input is JSON Lines or one source, not ${format}`);
  }
  const head: Buffer[] = [];
  let size = 0;
  const iterator = input[Symbol.asyncIterator]();
  let ended = false;
  while (!ended && size <= candidateSizeLimit && !Buffer.concat(head).includes(10)) {
    stopIfAborted(stated.signal);
    const next = await iterator.next();
    ended = next.done === true;
    if (!ended) {
      head.push(Buffer.from(next.value));
      size += Buffer.byteLength(next.value);
    }
  }
  const first = Buffer.concat(head);
  if (first.length === 0) throw new KvalError('bad-input', 'standard input is empty');
  const rest = chained(first, iterator);
  if (format === 'auto' && kindOfText(first, ended) === 'jsonl') {
    return yield* candidatesOfRows(rowsOfLines(rest, stated.signal), '-', context);
  }
  const item = sourceCandidate(decodeSource(await takeAll(rest), 'standard input'), '-', 'stdin', stated);
  yield { kind: 'item', item, where: '-', line: null };
}

async function* chained(first: Buffer, rest: AsyncIterator<Buffer | string>): AsyncGenerator<Uint8Array> {
  yield first;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield Buffer.from(next.value);
}

async function takeAll(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of bytes) {
    parts.push(part);
    size += part.length;
    if (size > candidateSizeLimit) {
      throw new KvalError('bad-input', `the candidate has more than ${candidateSizeLimit} bytes`);
    }
  }
  return Buffer.concat(parts);
}

/** Counts a record that repeats an earlier one: same text, problem, generator, run and sample. */
async function* withoutRepeats(events: Events): Events {
  const seen = new Set<string>();
  for await (const event of events) {
    if (event.kind !== 'item') {
      yield event;
      continue;
    }
    const { hash, problemId: id, origin } = event.item.candidate;
    const place = [origin.generator, origin.run, String(origin.sample)];
    const key = sha256(hash, id, event.item.problem?.sourceHash ?? '', ...place).slice(0, 32);
    if (seen.has(key)) {
      yield { kind: 'duplicate', where: event.where, line: event.line, reason: 'the same candidate came before' };
      continue;
    }
    seen.add(key);
    yield event;
  }
}

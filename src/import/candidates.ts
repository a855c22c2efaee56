import { stat } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { KvalError } from '../errors.js';
import { type Problem, parseProblemId, problemId, sha256 } from '../problem.js';
import type { ImportedCandidate } from './candidate-row.js';
import { candidatesOfRows } from './candidates-of-rows.js';
import { readFolder } from './folder.js';
import { collectReport, type ImportEvent, type ImportReport } from './report.js';
import { type FileKind, kindOfFile, readRows } from './rows.js';
import { sourceCandidate } from './source-candidate.js';
import { readSource } from './source-file.js';
import { readInput } from './standard-input.js';
import { type CandidateFormat, idsByFileName, rowContext, type Stated } from './stated.js';

export type { ImportedCandidate } from './candidate-row.js';
export { type CandidateFormat, candidateFormats } from './stated.js';

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

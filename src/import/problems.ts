import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { KvalError } from '../errors.js';
import { makeProblem, officialSet, type Problem } from '../problem.js';
import { plainName } from './candidate-row.js';
import { type JsonObject, textOf } from './json.js';
import { parseLevel, problemKeyOfRow } from './problem-key.js';
import { collectReport, type ImportEvent, type ImportReport, malformedBy, stopIfAborted } from './report.js';
import { kindOfFile, type RowFormat, readRows } from './rows.js';
import { readSource } from './source-file.js';

export interface ReadProblemsOptions {
  /** The set that the problems belong to. Without it: `starter` for a folder of that name, otherwise the official set. */
  readonly set?: string;
  readonly signal?: AbortSignal;
}

/**
 * Reads problems: a KernelBench checkout (its root, its `KernelBench` folder, or one level), a folder of ours, a parquet or
 * JSON Lines file with `code, level, name, problem_id`, or a folder of such files.
 *
 * Throws a `KvalError` where there is nothing to read; what is wrong with one problem is in the report.
 */
export async function readProblems(path: string, options: ReadProblemsOptions = {}): Promise<ImportReport<Problem>> {
  return collectReport(problemsIn(path, options));
}

type Events = AsyncGenerator<ImportEvent<Problem>>;

export async function* problemsIn(path: string, options: ReadProblemsOptions = {}): Events {
  const place = await stat(path).catch((cause: unknown) => {
    throw new KvalError('bad-input', `cannot read ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
      fix: 'Name a KernelBench checkout, or a parquet or JSON Lines file of problems.',
    });
  });
  const folder = resolve(path);
  const set = options.set ?? (basename(folder) === 'starter' ? 'starter' : officialSet);
  const events = place.isDirectory()
    ? problemsOfFolder(folder, set, options.signal)
    : problemsOfFile(path, basename(path), set, options.signal);
  yield* oneTextEach(events);
}

async function* problemsOfFolder(folder: string, set: string, signal: AbortSignal | undefined): Events {
  const own = levelOfFolder(folder);
  if (own !== null) return yield* problemsOfLevel(folder, '', own, set, signal);
  for (const base of [folder, join(folder, 'KernelBench'), join(folder, 'data')]) {
    const names = await readdir(base).catch(() => []);
    const levels = names.filter((name) => levelOfFolder(name) !== null).sort(byNumber);
    const tables = names.filter((name) => /\.(?:parquet|jsonl|ndjson)$/i.test(name)).sort(byNumber);
    if (levels.length === 0 && tables.length === 0) continue;
    for (const name of levels) yield* problemsOfLevel(join(base, name), name, levelOfFolder(name) ?? 0, set, signal);
    for (const name of tables) yield* problemsOfFile(join(base, name), name, set, signal);
    return;
  }
  throw new KvalError('bad-input', `${folder} holds no problems`, {
    fix: 'Name a KernelBench checkout (it has KernelBench/level1/1_name.py), or a parquet or JSON Lines file of problems.',
  });
}

/** The number of a folder called `level1` or `level_1`; null for any other. */
function levelOfFolder(path: string): number | null {
  const name = basename(path);
  return /^level[_-]?\d+$/i.test(name) ? parseLevel(name) : null;
}

async function* problemsOfLevel(
  folder: string,
  where: string,
  level: number,
  set: string,
  signal: AbortSignal | undefined,
): Events {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.py') && name !== '__init__.py');
  for (const name of names.sort(byNumber)) {
    stopIfAborted(signal);
    const at = where === '' ? name : `${where}/${name}`;
    const number = /^(\d{1,6})_.+\.py$/.exec(name)?.[1];
    if (number === undefined) {
      yield {
        kind: 'skipped',
        where: at,
        line: null,
        reason: 'not a problem by its name, which begins with a number: 19_ReLU.py',
      };
      continue;
    }
    let event: ImportEvent<Problem>;
    try {
      const source = await readSource(join(folder, name));
      event = itemOf({ set, level, number: Number(number), name, source }, at, null);
    } catch (thrown) {
      event = malformedBy(thrown, at, null);
    }
    yield event;
  }
}

async function* problemsOfFile(path: string, where: string, set: string, signal: AbortSignal | undefined): Events {
  const kind = await kindOfFile(path);
  if (kind === 'source') {
    throw new KvalError('bad-input', `${path} is neither parquet nor JSON Lines`, {
      fix: 'Name a KernelBench checkout, a level folder, or a table of problems with the columns code, level, name, problem_id.',
    });
  }
  for await (const row of readRows(path, kind satisfies RowFormat, signal)) {
    if ('reason' in row) {
      yield { kind: 'malformed', where, line: row.line, reason: row.reason };
      continue;
    }
    let event: ImportEvent<Problem>;
    try {
      event = itemOf({ set, ...partsOfRow(row.row, basename(where, extname(where))) }, where, row.line);
    } catch (thrown) {
      event = malformedBy(thrown, where, row.line);
    }
    yield event;
  }
}

/** The published tables keep a level in each row; their files are called `level_1-00000-of-00001.parquet`. */
function partsOfRow(row: JsonObject, file: string): { level: number; number: number; name: string; source: string } {
  const key = problemKeyOfRow(row, parseLevel(/^level[_-]?\d+/i.exec(file)?.[0] ?? null));
  const source = textOf(row, ['code', 'source']);
  if (source === null) throw new KvalError('bad-input', 'no problem text (code)');
  return { ...key, name: textOf(row, ['name', 'problem_name']) ?? `problem_${key.number}`, source };
}

function itemOf(
  parts: { set: string; level: number; number: number; name: string; source: string },
  where: string,
  line: number | null,
): ImportEvent<Problem> {
  if (parts.source.includes('\0')) return { kind: 'malformed', where, line, reason: 'not text: it contains NUL bytes' };
  const missing = required.filter(([, pattern]) => !pattern.test(parts.source)).map(([name]) => name);
  if (missing.length > 0) {
    return { kind: 'malformed', where, line, reason: `not a KernelBench problem: it lacks ${missing.join(', ')}` };
  }
  return { kind: 'item', item: makeProblem({ ...parts, name: plainName(parts.name) }), where, line };
}

const required = [
  ['class Model', /^class\s+Model\b/m],
  ['get_inputs', /^(?:def\s+get_inputs\b|get_inputs\s*=)/m],
  ['get_init_inputs', /^(?:def\s+get_init_inputs\b|get_init_inputs\s*=)/m],
] as const;

/** An id may come once in an import: the same text again is a duplicate, another text needs a set of its own. */
async function* oneTextEach(events: Events): Events {
  const seen = new Map<string, string>();
  for await (const event of events) {
    if (event.kind !== 'item') {
      yield event;
      continue;
    }
    const { id, sourceHash } = event.item;
    const { where, line } = event;
    const before = seen.get(id);
    seen.set(id, before ?? sourceHash);
    if (before === undefined) yield event;
    else if (before === sourceHash) yield { kind: 'duplicate', where, line, reason: `${id} came before` };
    else {
      const reason = `another text for ${id}, which came before; import one of them as a set of its own with --set`;
      yield { kind: 'malformed', where, line, reason };
    }
  }
}

function byNumber(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

import { readdir } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { KvalError } from '../errors.js';
import type { ImportedCandidate } from './candidate-row.js';
import { candidatesOfRows } from './candidates-of-rows.js';
import { type ImportEvent, malformedBy, stopIfAborted } from './report.js';
import { kindOfFile, type RowFormat, readRows } from './rows.js';
import { dialectsOf, readRunsFolder } from './runs-folder.js';
import { sourceCandidate } from './source-candidate.js';
import { readSource } from './source-file.js';
import { type CandidateFormat, rowContext, type Stated } from './stated.js';

type Events = AsyncGenerator<ImportEvent<ImportedCandidate>>;

/** Walks a folder: each folder of runs in it in its own dialect, everything else file by file, in the order of names. */
export async function* readFolder(folder: string, format: CandidateFormat, stated: Stated): Events {
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

const sourceFile = /\.(?:py|cu)$/i;
const rowFile = /\.(?:jsonl|ndjson|parquet)$/i;
const passedOver = /^(?:\..*|__pycache__|__init__\.py|node_modules|conftest\.py)$/;

async function* walk(root: string, where: string, format: CandidateFormat, stated: Stated): Events {
  const folder = join(root, where);
  const entries = await readdir(folder, { withFileTypes: true }).catch((thrown: unknown) =>
    malformedBy(thrown, where, null),
  );
  if (!Array.isArray(entries)) return yield entries;
  const names = entries.map((entry) => entry.name);
  const dialect = dialectsOf(names).find((each) => format === 'auto' || format === each);
  if (dialect !== undefined) return yield* readRunsFolder(resolve(folder), where, dialect, stated);
  for (const entry of entries.sort((a, b) => byName(a.name, b.name))) {
    stopIfAborted(stated.signal);
    if (passedOver.test(entry.name)) continue;
    const inner = where === '' ? entry.name : `${where}/${entry.name}`;
    if (entry.isDirectory()) yield* walk(root, inner, format, stated);
    else yield* readEntry(resolve(root), inner, format, stated);
  }
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

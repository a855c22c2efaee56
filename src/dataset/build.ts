import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { KvalError, toKvalError } from '../errors.js';
import { validatorTool } from '../simulator/prompt.js';
import { datasetCard } from './card.js';
import { type MalformedRow, malformedRows } from './malformed.js';
import {
  type DatasetSettings,
  datasetSettingsSchema,
  type Manifest,
  type Rerun,
  type SplitCounts,
  sealManifest,
} from './manifest.js';
import { type DatasetRow, datasetRowSchema, type LabelledExample, toRow } from './row.js';
import { type Numbered, selectExamples } from './select.js';
import { splitExamples, splitNames } from './split.js';

export interface BuildOptions extends Partial<DatasetSettings> {
  readonly kvalVersion: string;
  /** What a second run of a sample of the labels said; kernels that it contradicts are no longer among the examples. */
  readonly rerun?: Rerun;
  readonly signal?: AbortSignal;
}

export const defaultSettings: DatasetSettings = {
  labels: 'harness',
  split: 'problem',
  seed: 1,
  shares: { validation: 0.1, test: 0.2 },
  holdOut: [],
  nearDuplicate: 0.85,
  maxCharacters: 120_000,
  gzip: false,
  malformedShare: 0.05,
};

/**
 * Makes a fine-tuning set from labelled kernels: chat rows in GTM's tool template, split, with manifest and card.
 * The folder appears whole or not at all; a set that stood there before is replaced. The same examples and settings give
 * the same bytes, in whatever order the examples come.
 */
export async function buildDataset(
  examples: Iterable<LabelledExample>,
  options: BuildOptions,
  outFolder: string,
): Promise<Manifest> {
  const { kvalVersion, signal, rerun, ...given } = options;
  const settings = datasetSettingsSchema.parse({ ...defaultSettings, ...given });
  const target = resolve(outFolder);
  await refuseForeignFolder(target);
  const { selected, counts, total } = selectExamples(examples, settings);
  if (selected.length === 0) {
    throw new KvalError('bad-input', `none of ${total} labelled kernels can be used for a data set`, {
      fix: 'Label some kernels with `kval label`, or take published labels in with `--labels published`.',
    });
  }
  const split = splitExamples(selected, { ...settings, kind: settings.split });
  const draft = `${target}.draft-${process.pid}`;
  try {
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true });
    const files: Manifest['files'] = [];
    const malformedCalls: Record<string, number> = {};
    for (const name of splitNames) {
      const rows = split.rows[name].map(({ rowId, ...example }) => datasetRowSchema.parse(toRow(example, rowId)));
      files.push(await writeRows(draft, name, rows, settings.gzip, signal));
      const malformed = malformedRows(rows, Math.round(settings.malformedShare * rows.length), settings.seed);
      for (const { kind } of malformed.map((row) => row.malformed))
        malformedCalls[kind] = (malformedCalls[kind] ?? 0) + 1;
      if (malformed.length > 0)
        files.push(await writeRows(draft, `malformed-${name}`, malformed, settings.gzip, signal));
    }
    const manifest = sealManifest({
      kval: kvalVersion,
      tool: validatorTool.api_name,
      settings,
      examples: total,
      filtered: { ...counts, nearDuplicates: split.nearDuplicates },
      splits: {
        train: countsOf(split.rows.train, split.units.train),
        validation: countsOf(split.rows.validation, split.units.validation),
        test: countsOf(split.rows.test, split.units.test),
      },
      malformedCalls,
      rerun: rerun ?? null,
      sources: sourcesOf(splitNames.flatMap((name) => split.rows[name])),
      files,
    });
    await writeFile(join(draft, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    await writeFile(join(draft, 'README.md'), datasetCard(manifest));
    signal?.throwIfAborted();
    await replaceFolder(draft, target);
    return manifest;
  } catch (thrown) {
    await rm(draft, { recursive: true, force: true });
    throw toKvalError(thrown);
  }
}

async function refuseForeignFolder(folder: string): Promise<void> {
  const names: string[] = await readdir(folder).catch(() => []);
  if (names.length > 0 && !names.includes('manifest.json')) {
    throw new KvalError('usage', `${folder} holds something that is not a data set`, {
      fix: 'Name an empty or new folder.',
    });
  }
}

export async function replaceFolder(draft: string, target: string): Promise<void> {
  const old = `${target}.old-${process.pid}`;
  await mkdir(resolve(target, '..'), { recursive: true });
  await rename(target, old).catch(ignoreMissing);
  await rename(draft, target);
  await rm(old, { recursive: true, force: true });
}

function ignoreMissing(thrown: unknown): void {
  if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')) throw thrown;
}

async function writeRows(
  folder: string,
  stem: string,
  rows: readonly (DatasetRow | MalformedRow)[],
  gzip: boolean,
  signal: AbortSignal | undefined,
): Promise<Manifest['files'][number]> {
  const name = `${stem}.jsonl${gzip ? '.gz' : ''}`;
  const hash = createHash('sha256');
  let bytes = 0;
  const lines = function* (): Generator<string> {
    for (const row of rows) {
      signal?.throwIfAborted();
      yield `${JSON.stringify(row)}\n`;
    }
  };
  const tap = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  const out = createWriteStream(join(folder, name));
  if (gzip) await pipeline(Readable.from(lines()), createGzip({ level: 9 }), tap, out);
  else await pipeline(Readable.from(lines()), tap, out);
  return { name, sha256: hash.digest('hex'), bytes, rows: rows.length };
}

function countsOf(rows: readonly Numbered[], units: number): SplitCounts {
  const labels = rows.map((row) => row.label);
  const compiled = labels.filter((label) => label.compiled).length;
  const correct = labels.filter((label) => correctOf(label) === true).length;
  const unknown = labels.filter((label) => correctOf(label) === null).length;
  return {
    rows: rows.length,
    units,
    problems: new Set(rows.map((row) => row.problem.id)).size,
    compiled: { yes: compiled, no: rows.length - compiled },
    correct: { yes: correct, no: rows.length - correct - unknown, unknown },
    withRuntime: labels.filter((label) => label.runtimeMs !== null).length,
  };
}

/** What does not compile is not correct, whether or not anybody wrote that down. */
export function correctOf(label: { compiled: boolean; correct: boolean | null }): boolean | null {
  return label.compiled ? label.correct : false;
}

function sourcesOf(rows: readonly Numbered[]): Manifest['sources'] {
  const counts = new Map<string, Manifest['sources'][number]>();
  for (const { label, problem, candidate } of rows) {
    const source = { labels: label.source, fidelity: label.fidelity, set: problem.set, generator: candidate.generator };
    const key = JSON.stringify(source);
    counts.set(key, { ...source, rows: (counts.get(key)?.rows ?? 0) + 1 });
  }
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, source]) => source);
}

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import type { z } from 'zod';
import { KvalError } from '../errors.js';
import { type MalformedRow, malformedRowSchema } from './malformed.js';
import { isSealed, type Manifest, manifestSchema } from './manifest.js';
import { type DatasetRow, datasetRowSchema } from './row.js';
import type { SplitName } from './split.js';

export interface Dataset {
  readonly folder: string;
  readonly manifest: Manifest;
  rows(split: SplitName, signal?: AbortSignal): AsyncGenerator<DatasetRow>;
  /** Malformed calls with the tool's errors; none where the set has none. */
  malformed(split: SplitName, signal?: AbortSignal): AsyncGenerator<MalformedRow>;
}

/** Opens a data set and checks every file against its manifest: what was edited by hand is refused. */
export async function readDataset(folder: string, signal?: AbortSignal): Promise<Dataset> {
  const manifest = await readManifest(folder);
  for (const file of manifest.files) {
    if ((await hashOf(join(folder, file.name), signal)) !== file.sha256) {
      throw new KvalError('dataset-changed', `${join(folder, file.name)} is not what its manifest says`);
    }
  }
  return {
    folder,
    manifest,
    rows: (split, stop) => readRows(folder, manifest, split, datasetRowSchema, stop),
    async *malformed(split, stop) {
      const stem = `malformed-${split}`;
      if (fileOf(manifest, stem) !== undefined) yield* readRows(folder, manifest, stem, malformedRowSchema, stop);
    },
  };
}

async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, 'manifest.json');
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new KvalError('not-found', `${folder} is not a data set (no manifest.json)`, {
      cause,
      fix: 'Build one with `kval dataset build`, or name another folder.',
    });
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new KvalError('dataset-changed', `${path} is not JSON`, { cause });
  }
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success || !isSealed(parsed.data)) throw new KvalError('dataset-changed', `${path} was changed`);
  return parsed.data;
}

async function hashOf(path: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, signal === undefined ? {} : { signal })) hash.update(chunk);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new KvalError('dataset-changed', `${path} cannot be read`, { cause });
  }
  return hash.digest('hex');
}

function fileOf(manifest: Manifest, stem: string): string | undefined {
  return manifest.files.find((file) => file.name.startsWith(`${stem}.jsonl`))?.name;
}

async function* readRows<Row>(
  folder: string,
  manifest: Manifest,
  stem: string,
  schema: z.ZodType<Row>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Row> {
  const name = fileOf(manifest, stem);
  if (name === undefined) throw new KvalError('dataset-changed', `the manifest of ${folder} lists no ${stem} split`);
  const stream = createReadStream(join(folder, name));
  const input = name.endsWith('.gz') ? stream.pipe(createGunzip()) : stream;
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      signal?.throwIfAborted();
      if (line !== '') yield schema.parse(JSON.parse(line));
    }
  } finally {
    stream.destroy();
  }
}

import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Config } from '../../src/config.js';
import { Kval } from '../../src/kval.js';
import type { ModelCard } from '../../src/model-card.js';
import { sha256 } from '../../src/problem.js';
import { cardHeads, inDraft, writeCard } from '../../src/tuning/embedded.js';
import { calibrateHeads, type FitOptions, fitEmbedded } from '../../src/tuning/fit-embedded.js';
import { resultsFile } from '../results.js';
import { splits } from './folds.js';
import type { CorpusRow } from './rows.js';

/** Trains on every row, calibrates on held-out scores, and writes the folder that ships, with the last run's figures. */
export async function ship(
  rows: readonly CorpusRow[],
  folder: string,
  config: Config,
  options: FitOptions & { readonly seed: number; readonly command: string },
): Promise<void> {
  const metrics = await lastFigures(config);
  const learned = rows.map((row): CorpusRow => ({ ...row, split: 'train' }));
  const id = sha256(
    ...learned.map(({ candidate, compiled, correct, invalid, ran, runtimeMs, speedup, build }) =>
      JSON.stringify([candidate, compiled, correct, invalid, ran, runtimeMs, speedup, build]),
    ),
  ).slice(0, 16);
  const known = learned.filter((row) => row.compiled !== null || row.correct !== null);
  await inDraft(folder, async (draft) => {
    const { model, bytes, heldOut } = await fitEmbedded(learned, learned.length, id, draft, options);
    const calibration = calibrateHeads(model.id, heldOut, null);
    await writeCard(draft, calibration, {
      format: 'kval-model-card',
      engine: 'embedded',
      model: model.id,
      calibration: calibration.id,
      kval: new Kval(config).version,
      command: options.command,
      dataset: {
        id,
        split: 'problem',
        seed: options.seed,
        labels: 'any',
        rows: { train: known.length, validation: 0, test: 0 },
        sources: sourcesOf(known),
      },
      heads: cardHeads(model, calibration),
      bytes,
      metrics,
    });
    const notes = await readFile(join(config.modelsFolder, 'embedded-notes.md'), 'utf8');
    await appendFile(join(draft, 'README.md'), `\n${notes}`);
  });
}

const share = z.object({ accuracy: z.number() });
const headSchema = z
  .object({
    rows: z.int(),
    positives: z.int(),
    accuracy: z.number(),
    precision: z.number(),
    recall: z.number(),
    f1: z.number(),
    balancedAccuracy: z.number().nullable(),
    auc: z.number().nullable(),
    brier: z.number(),
    baselines: z.object({ majority: share, prior: share }),
  })
  .transform(({ baselines: { majority, prior }, ...figures }) => ({
    ...figures,
    majorityAccuracy: majority.accuracy,
    priorAccuracy: prior.accuracy,
  }));
const runtimeSchema = z
  .object({
    rows: z.int(),
    medianAbsoluteErrorMs: z.number(),
    medianRelativeError: z.number(),
    withinTwofold: z.number(),
    inInterval: z.number(),
  })
  .nullable();
const lastSchema = z.object({ tables: z.record(z.string(), z.unknown()) });

async function lastFigures(config: Config): Promise<ModelCard['metrics']> {
  const { tables } = lastSchema.parse(JSON.parse(await readFile(resultsFile(config, 'embedded'), 'utf8')));
  return splits.map((split) => ({
    split: `cross-validation, ${split}-disjoint`,
    compiled: headSchema.parse(tables[`${split}-disjoint compiled`]),
    correct: headSchema.parse(tables[`${split}-disjoint correct`]),
    runtime: runtimeSchema.parse(tables[`${split}-disjoint runtime`]),
  }));
}

function sourcesOf(known: readonly CorpusRow[]): ModelCard['dataset']['sources'] {
  const sources = new Map<string, ModelCard['dataset']['sources'][number]>();
  for (const { ownLabel, corpus, generator } of known) {
    const source = {
      labels: ownLabel ? 'harness' : 'published',
      fidelity: corpus === 'own' ? 'emulated' : ownLabel ? 'built' : 'published',
      set: corpus === 'own' ? 'starter' : corpus === 'cuda-l1' ? 'cuda-l1' : 'kernelbench',
      generator,
    };
    const key = JSON.stringify(Object.values(source));
    sources.set(key, { ...source, rows: (sources.get(key)?.rows ?? 0) + 1 });
  }
  return [...sources].sort(([a], [b]) => a.localeCompare(b)).map(([, source]) => source);
}

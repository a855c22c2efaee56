import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { replaceFolder } from '../dataset/build.js';
import { priorsOf } from '../dataset/priors.js';
import { type Dataset, readDataset } from '../dataset/read.js';
import { toKvalError } from '../errors.js';
import { type ModelCard, renderModelCard } from '../model-card.js';
import type { Calibration, HeadCalibration } from '../simulator/calibration.js';
import type { EmbeddedModel } from '../simulator/embedded.js';
import { evaluate } from './evaluate.js';
import { featureRows } from './feature-file.js';
import { calibrateHeads, type FitOptions, type FittedModel, fitEmbedded, headNames, Scored } from './fit-embedded.js';

export interface TrainOptions extends FitOptions {
  readonly datasetFolder: string;
  readonly outFolder: string;
  readonly kvalVersion: string;
}

/**
 * Trains the embedded simulator on a data set, calibrates it on the validation split, measures it on the test split with
 * the code that will serve it, and writes model, calibration, metrics and card. The folder appears whole or not at all.
 */
export async function trainEmbedded(options: TrainOptions): Promise<ModelCard> {
  const { signal } = options;
  try {
    const dataset = await readDataset(options.datasetFolder, signal);
    const { rows } = dataset.manifest.splits.train;
    return await inDraft(options.outFolder, async (draft) => {
      const fitted = await fitEmbedded(
        featureRows(dataset, 'train', signal),
        rows,
        dataset.manifest.id,
        draft,
        options,
      );
      const calibration = await calibrate(dataset, fitted, signal);
      const card = await describe(options, dataset, fitted, calibration);
      await writeCard(draft, calibration, card);
      signal?.throwIfAborted();
      return card;
    });
  } catch (thrown) {
    throw toKvalError(thrown);
  }
}

/** Runs `work` in a folder beside `outFolder` and puts it there when it is done; what stood there before is replaced. */
export async function inDraft<T>(outFolder: string, work: (draft: string) => Promise<T>): Promise<T> {
  const target = resolve(outFolder);
  const draft = `${target}.draft-${process.pid}`;
  try {
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true });
    const done = await work(draft);
    await replaceFolder(draft, target);
    return done;
  } catch (thrown) {
    await rm(draft, { recursive: true, force: true });
    throw thrown;
  }
}

export async function writeCard(folder: string, calibration: Calibration, card: ModelCard): Promise<void> {
  await writeFile(join(folder, 'calibration.json'), `${JSON.stringify(calibration)}\n`);
  await writeFile(join(folder, 'metrics.json'), `${JSON.stringify(card, null, 2)}\n`);
  await writeFile(join(folder, 'README.md'), renderModelCard(card));
}

async function calibrate(
  dataset: Dataset,
  { model, heldOut }: FittedModel,
  signal: AbortSignal | undefined,
): Promise<Calibration> {
  const validation = {
    compiled: new Scored(),
    correct: new Scored(),
    correctOnceBuilt: new Scored(),
    invalid: new Scored(),
    ran: new Scored(),
  };
  for await (const row of featureRows(dataset, 'validation', signal)) {
    const scores = model.score(row.text, row.build);
    const correct = row.compiled ? row.correct : null;
    const truths = { ...row, correct, correctOnceBuilt: correct };
    for (const head of headNames) {
      const [score, truth] = [scores[head], truths[head]];
      if (score !== null && truth !== null) validation[head].add(score, truth);
    }
  }
  return calibrateHeads(model.id, heldOut, validation);
}

async function describe(
  options: TrainOptions,
  dataset: Dataset,
  { model, bytes }: FittedModel,
  calibration: Calibration,
): Promise<ModelCard> {
  const { manifest } = dataset;
  const priors = await priorsOf(dataset.rows('train', options.signal));
  const metrics = [];
  for (const split of ['test', 'validation'] as const) {
    if (manifest.splits[split].rows === 0) continue;
    metrics.push(await evaluate(dataset, split, ({ text }) => model.score(text), calibration, priors, options.signal));
  }
  return {
    format: 'kval-model-card',
    engine: 'embedded',
    model: model.id,
    calibration: calibration.id,
    kval: options.kvalVersion,
    command: 'kval finetune --recipe embedded',
    dataset: {
      id: manifest.id,
      split: manifest.settings.split,
      seed: manifest.settings.seed,
      labels: manifest.settings.labels,
      rows: {
        train: manifest.splits.train.rows,
        validation: manifest.splits.validation.rows,
        test: manifest.splits.test.rows,
      },
      sources: manifest.sources,
    },
    heads: cardHeads(model, calibration),
    bytes,
    metrics,
  };
}

export function cardHeads(model: EmbeddedModel, { heads }: Calibration): ModelCard['heads'] {
  const head = (name: string, made: HeadCalibration | null | undefined): ModelCard['heads'][number] => ({
    name,
    trained: made !== null && made !== undefined,
    calibratedOn: made?.basis ?? 'none',
    calibrationRows: made?.rows ?? 0,
  });
  return [
    head('compiled', heads.compiled),
    head('correct', heads.correct),
    head('correct, told what the build said', heads.correctOnceBuilt),
    head('invalid', heads.invalid),
    head('ran', heads.ran),
    { name: 'runtime', trained: model.predictsRuntime, calibratedOn: 'none', calibrationRows: 0 },
  ];
}

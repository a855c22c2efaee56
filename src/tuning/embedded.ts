import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { z } from 'zod';
import { replaceFolder } from '../dataset/build.js';
import { priorsOf } from '../dataset/priors.js';
import { type Dataset, readDataset } from '../dataset/read.js';
import { toKvalError } from '../errors.js';
import { type ModelCard, renderModelCard } from '../model-card.js';
import { type Calibration, fitCurve, type HeadCalibration, makeCalibration } from '../simulator/calibration.js';
import { type EmbeddedModel, loadEmbeddedModel } from '../simulator/embedded.js';
import { evaluate } from './evaluate.js';
import { featureRows, writeFeatureFile } from './feature-file.js';
import { runModels, type TrainProgress } from './run-models.js';

export interface TrainOptions {
  readonly datasetFolder: string;
  readonly outFolder: string;
  /** A Python that has LightGBM, and what it gets as environment: `PYTHONPATH` must lead to `kval_models`. */
  readonly python: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly kvalVersion: string;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TrainProgress) => void;
}

/** What must be known of the held-out rows before a calibration may rest on them. */
const leastRows = 20;
const leastOfAClass = 5;

/**
 * Trains the embedded simulator on a data set, calibrates it on the validation split, measures it on the test split with
 * the code that will serve it, and writes model, calibration, metrics and card. The folder appears whole or not at all.
 */
export async function trainEmbedded(options: TrainOptions): Promise<ModelCard> {
  const { signal, onProgress } = options;
  const target = resolve(options.outFolder);
  const draft = `${target}.draft-${process.pid}`;
  try {
    const dataset = await readDataset(options.datasetFolder, signal);
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true });
    const total = dataset.manifest.splits.train.rows;
    const matrix = join(draft, 'features.bin');
    const labels = await writeFeatureFile(dataset, matrix, {
      ...(signal === undefined ? {} : { signal }),
      onRow: (done) => onProgress?.({ stage: 'features', done, total }),
    });
    await runModels(
      ['train-embedded', '--matrix', matrix, '--out', draft, '--seed', String(options.seed ?? 1)],
      options,
    );
    const heldOut = parseScores(await readFile(join(draft, 'scores.json'), 'utf8'));
    await rm(matrix);
    await rm(join(draft, 'scores.json'));
    const bytes = await pack(join(draft, 'model.json'));
    const model = await loadEmbeddedModel(draft);
    const calibration = await calibrate(dataset, model, heldOut, labels, signal);
    await writeFile(join(draft, 'calibration.json'), `${JSON.stringify(calibration)}\n`);
    const card = await describe(options, dataset, model, calibration, bytes);
    await writeFile(join(draft, 'metrics.json'), `${JSON.stringify(card, null, 2)}\n`);
    await writeFile(join(draft, 'README.md'), renderModelCard(card));
    signal?.throwIfAborted();
    await replaceFolder(draft, target);
    return card;
  } catch (thrown) {
    await rm(draft, { recursive: true, force: true });
    throw toKvalError(thrown);
  }
}

const headScoresSchema = z.object({ rows: z.array(z.int()), scores: z.array(z.number()) });
const scoresSchema = z.object({ compiled: headScoresSchema, correct: headScoresSchema.nullable() });
type HeldOut = z.infer<typeof scoresSchema>;

function parseScores(text: string): HeldOut {
  return scoresSchema.parse(JSON.parse(text));
}

/** Past this size the model is kept compressed: what ships should stay small. */
const packAbove = 1_000_000;

async function pack(path: string): Promise<number> {
  const { size } = await stat(path);
  if (size <= packAbove) return size;
  const packed = await promisify(gzip)(await readFile(path), { level: 9 });
  await writeFile(`${path}.gz.part`, packed);
  await rename(`${path}.gz.part`, `${path}.gz`);
  await rm(path);
  return packed.length;
}

async function calibrate(
  dataset: Dataset,
  model: EmbeddedModel,
  heldOut: HeldOut,
  labels: { compiled: readonly (boolean | null)[]; correct: readonly (boolean | null)[] },
  signal: AbortSignal | undefined,
): Promise<Calibration> {
  const compiled = new Scored();
  const correct = new Scored();
  for await (const row of featureRows(dataset, 'validation', signal)) {
    const scores = model.score(row.text);
    compiled.add(scores.compiled, row.compiled);
    if (scores.correct !== null && row.compiled && row.correct !== null) correct.add(scores.correct, row.correct);
  }
  return makeCalibration(model.id, {
    compiled: calibrateHead(compiled, outOfFold(heldOut.compiled, labels.compiled)),
    correct: heldOut.correct === null ? null : calibrateHead(correct, outOfFold(heldOut.correct, labels.correct)),
  });
}

class Scored {
  readonly scores: number[] = [];
  readonly truths: boolean[] = [];

  add(score: number, truth: boolean): void {
    this.scores.push(score);
    this.truths.push(truth);
  }

  get enough(): boolean {
    const positives = this.truths.filter(Boolean).length;
    return this.truths.length >= leastRows && Math.min(positives, this.truths.length - positives) >= leastOfAClass;
  }
}

function outOfFold(held: z.infer<typeof headScoresSchema>, labels: readonly (boolean | null)[]): Scored {
  const scored = new Scored();
  held.rows.forEach((row, index) => {
    const truth = labels[row];
    if (truth !== null && truth !== undefined) scored.add(held.scores[index] ?? 0, truth);
  });
  return scored;
}

/** The validation split where it says enough; else the training rows, each scored by a model that had not seen it. */
function calibrateHead(validation: Scored, training: Scored): HeadCalibration {
  const basis = validation.enough ? 'validation' : training.enough ? 'out-of-fold' : 'none';
  if (basis === 'none') {
    return { curve: { kind: 'platt', slope: 1, offset: 0 }, basis, rows: training.scores.length };
  }
  const scored = basis === 'validation' ? validation : training;
  return { curve: fitCurve(scored.scores, scored.truths), basis, rows: scored.scores.length };
}

async function describe(
  options: TrainOptions,
  dataset: Dataset,
  model: EmbeddedModel,
  calibration: Calibration,
  bytes: number,
): Promise<ModelCard> {
  const { manifest } = dataset;
  const priors = await priorsOf(dataset.rows('train', options.signal));
  const metrics = [];
  for (const split of ['test', 'validation'] as const) {
    if (manifest.splits[split].rows === 0) continue;
    metrics.push(await evaluate(dataset, split, model, calibration, priors, options.signal));
  }
  const head = (name: string, made: HeadCalibration | null): ModelCard['heads'][number] => ({
    name,
    trained: made !== null,
    calibratedOn: made?.basis ?? 'none',
    calibrationRows: made?.rows ?? 0,
  });
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
    heads: [
      head('compiled', calibration.heads.compiled),
      head('correct', calibration.heads.correct),
      { name: 'runtime', trained: model.predictsRuntime, calibratedOn: 'none', calibrationRows: 0 },
    ],
    bytes,
    metrics,
  };
}

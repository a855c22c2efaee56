import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { z } from 'zod';
import { type Calibration, fitCurve, type HeadCalibration, makeCalibration } from '../simulator/calibration.js';
import { type EmbeddedModel, loadEmbeddedModel } from '../simulator/embedded.js';
import { type LabelledText, writeFeatures } from './feature-file.js';
import { runModels, type TrainProgress } from './run-models.js';

export interface FitOptions {
  /** A Python that has LightGBM, and what it gets as environment: `PYTHONPATH` must lead to `kval_models`. */
  readonly python: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TrainProgress) => void;
}

/** A trained model in its folder, and what is needed to calibrate it where there is no validation split. */
export interface FittedModel {
  readonly model: EmbeddedModel;
  readonly bytes: number;
  /** Scores of the training rows, each by a model that had not seen it, with the truth. */
  readonly heldOut: Readonly<
    Record<'compiled', Scored> & Record<Exclude<(typeof headNames)[number], 'compiled'>, Scored | null>
  >;
}

/** Learns from `rows` (`total` of them) and leaves `model.json`, packed where it is large, in `folder`. */
export async function fitEmbedded(
  rows: AsyncIterable<LabelledText> | Iterable<LabelledText>,
  total: number,
  dataset: string,
  folder: string,
  options: FitOptions,
): Promise<FittedModel> {
  const matrix = join(folder, 'features.bin');
  const onRow = (done: number): void => options.onProgress?.({ stage: 'features', done, total });
  const labels = await writeFeatures(rows, dataset, matrix, onRow);
  await runModels(
    ['train-embedded', '--matrix', matrix, '--out', folder, '--seed', String(options.seed ?? 1)],
    options,
  );
  const { compiled, correct, correctOnceBuilt, invalid, ran } = scoresSchema.parse(
    JSON.parse(await readFile(join(folder, 'scores.json'), 'utf8')),
  );
  await rm(matrix);
  await rm(join(folder, 'scores.json'));
  const bytes = await pack(join(folder, 'model.json'));
  return {
    model: await loadEmbeddedModel(folder),
    bytes,
    heldOut: {
      compiled: outOfFold(compiled, labels.compiled),
      correct: correct === null ? null : outOfFold(correct, labels.correct),
      correctOnceBuilt: correctOnceBuilt === null ? null : outOfFold(correctOnceBuilt, labels.correct),
      invalid: invalid === null ? null : outOfFold(invalid, labels.invalid),
      ran: ran === null ? null : outOfFold(ran, labels.ran),
    },
  };
}

export const headScoresSchema = z.object({ rows: z.array(z.int()), scores: z.array(z.number()) });
const scoresSchema = z.object({
  compiled: headScoresSchema,
  correct: headScoresSchema.nullable(),
  correctOnceBuilt: headScoresSchema.nullable(),
  invalid: headScoresSchema.nullable(),
  ran: headScoresSchema.nullable(),
});

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

export class Scored {
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

/** Held-out scores of the rows whose label is known; `labels` has one for each row, `held.rows` says whose a score is. */
export function outOfFold(held: z.infer<typeof headScoresSchema>, labels: readonly (boolean | null)[]): Scored {
  const scored = new Scored();
  held.rows.forEach((row, index) => {
    const truth = labels[row];
    if (truth !== null && truth !== undefined) scored.add(held.scores[index] ?? 0, truth);
  });
  return scored;
}

/** What must be known of the held-out rows before a calibration may rest on them. */
const leastRows = 20;
const leastOfAClass = 5;

export const headNames = ['compiled', 'correct', 'correctOnceBuilt', 'invalid', 'ran'] as const;

/** Every head that was learned; `validation` has what is known of the validation split, where there is one. */
export function calibrateHeads(
  model: string,
  heldOut: FittedModel['heldOut'],
  validation: Readonly<Record<(typeof headNames)[number], Scored>> | null,
): Calibration {
  const head = (name: (typeof headNames)[number]): HeadCalibration | null => {
    const training = heldOut[name];
    return training === null ? null : calibrateHead(validation?.[name] ?? new Scored(), training);
  };
  const optional = (['correctOnceBuilt', 'invalid', 'ran'] as const).flatMap((name) => {
    const made = head(name);
    return made === null ? [] : [[name, made] as const];
  });
  return makeCalibration(model, {
    compiled: calibrateHead(validation?.compiled ?? new Scored(), heldOut.compiled),
    correct: head('correct'),
    ...Object.fromEntries(optional),
  });
}

/** The validation split where it says enough; else the training rows, each scored by a model that had not seen it. */
export function calibrateHead(validation: Scored, training: Scored): HeadCalibration {
  const basis = validation.enough ? 'validation' : training.enough ? 'out-of-fold' : 'none';
  if (basis === 'none') {
    return { curve: { kind: 'platt', slope: 1, offset: 0 }, basis, rows: training.scores.length };
  }
  const scored = basis === 'validation' ? validation : training;
  return { curve: fitCurve(scored.scores, scored.truths), basis, rows: scored.scores.length };
}

import { z } from 'zod';
import { sha256 } from '../problem.js';

const curveSchema = z.discriminatedUnion('kind', [
  /** Platt's two numbers: probability = 1 / (1 + exp(-(slope * score + offset))). */
  z.object({ kind: z.literal('platt'), slope: z.number(), offset: z.number() }),
  /** Isotonic regression: probabilities at rising scores, straight lines between them. */
  z.object({
    kind: z.literal('isotonic'),
    scores: z.array(z.number()).min(1),
    probabilities: z.array(z.number()).min(1),
  }),
]);

export const headCalibrationSchema = z.object({
  curve: curveSchema,
  /** Which rows it was fitted on. */
  basis: z.enum(['validation', 'out-of-fold', 'none']),
  rows: z.int().nonnegative(),
});
export type HeadCalibration = z.infer<typeof headCalibrationSchema>;

export const calibrationSchema = z.object({
  format: z.literal('kval-calibration'),
  id: z.string(),
  model: z.string(),
  heads: z.object({
    compiled: headCalibrationSchema,
    correct: headCalibrationSchema.nullable(),
    /** Of a model that tells failures apart. */
    invalid: headCalibrationSchema.optional(),
    ran: headCalibrationSchema.optional(),
    /** Of a model that also reads what a build says: the second question, once that is known. */
    correctOnceBuilt: headCalibrationSchema.optional(),
  }),
});
export type Calibration = z.infer<typeof calibrationSchema>;

/** The id is the hash of all that decides a probability, so a reply that names it can be reproduced. */
export function makeCalibration(model: string, heads: Calibration['heads']): Calibration {
  return { format: 'kval-calibration', id: calibrationId(model, heads), model, heads };
}

export function calibrationId(model: string, heads: Calibration['heads']): string {
  return sha256(model, JSON.stringify(heads)).slice(0, 16);
}

/** A score (log-odds) as a probability; never closer to 0 or 1 than the rows it was fitted on can support. */
export function calibrated(head: HeadCalibration, score: number): number {
  const margin = 1 / (head.rows + 2);
  return Math.min(1 - margin, Math.max(margin, onCurve(head.curve, score)));
}

function onCurve(curve: HeadCalibration['curve'], score: number): number {
  if (curve.kind === 'platt') return logistic(curve.slope * score + curve.offset);
  const { scores, probabilities } = curve;
  let low = 0;
  let high = scores.length - 1;
  if (score <= (scores[low] ?? 0)) return probabilities[low] ?? 0.5;
  if (score >= (scores[high] ?? 0)) return probabilities[high] ?? 0.5;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((scores[middle] ?? 0) <= score) low = middle;
    else high = middle;
  }
  const [from, to] = [scores[low] ?? 0, scores[high] ?? 0];
  const share = to === from ? 0 : (score - from) / (to - from);
  const below = probabilities[low] ?? 0;
  return below + ((probabilities[high] ?? 0) - below) * share;
}

export function logistic(score: number): number {
  return 1 / (1 + Math.exp(-score));
}

/** What isotonic regression needs before its steps mean something: rows in all, and rows of the rarer class. */
const isotonicRows = 400;
const isotonicRarer = 60;

/** Fits isotonic regression where there are rows enough, else Platt's scaling with its smoothed targets (Platt 1999). */
export function fitCurve(scores: readonly number[], truths: readonly boolean[]): HeadCalibration['curve'] {
  const positives = truths.filter(Boolean).length;
  const rarer = Math.min(positives, truths.length - positives);
  return truths.length >= isotonicRows && rarer >= isotonicRarer ? isotonic(scores, truths) : platt(scores, truths);
}

function isotonic(scores: readonly number[], truths: readonly boolean[]): HeadCalibration['curve'] {
  const order = scores.map((score, index) => ({ score, truth: truths[index] === true ? 1 : 0 }));
  order.sort((a, b) => a.score - b.score);
  const blocks: { sum: number; rows: number; scoreSum: number }[] = [];
  for (const { score, truth } of order) {
    blocks.push({ sum: truth, rows: 1, scoreSum: score });
    for (let last = blocks.at(-1), before = blocks.at(-2); last !== undefined && before !== undefined; ) {
      if (before.sum / before.rows < last.sum / last.rows) break;
      blocks.splice(-2, 2, {
        sum: before.sum + last.sum,
        rows: before.rows + last.rows,
        scoreSum: before.scoreSum + last.scoreSum,
      });
      last = blocks.at(-1);
      before = blocks.at(-2);
    }
  }
  // Half a row of each class keeps short blocks from certainty; the running maximum keeps the steps rising after that.
  let highest = 0;
  return {
    kind: 'isotonic',
    scores: blocks.map((block) => block.scoreSum / block.rows),
    probabilities: blocks.map((block) => {
      highest = Math.max(highest, (block.sum + 0.5) / (block.rows + 1));
      return highest;
    }),
  };
}

function platt(scores: readonly number[], truths: readonly boolean[]): HeadCalibration['curve'] {
  const positives = truths.filter(Boolean).length;
  const high = (positives + 1) / (positives + 2);
  const low = 1 / (truths.length - positives + 2);
  let slope = 1;
  let offset = 0;
  for (let round = 0; round < 100; round += 1) {
    // The small pull of the slope towards 1 keeps perfectly separated rows from making it infinite.
    let [gs, go, hss, hso, hoo] = [slope - 1, 0, 1, 0, 1e-9];
    for (let index = 0; index < scores.length; index += 1) {
      const score = scores[index] ?? 0;
      const p = logistic(slope * score + offset);
      const error = p - (truths[index] === true ? high : low);
      const weight = p * (1 - p);
      gs += error * score;
      go += error;
      hss += weight * score * score;
      hso += weight * score;
      hoo += weight;
    }
    const determinant = hss * hoo - hso * hso;
    if (!(determinant > 1e-12)) break;
    const stepSlope = (hoo * gs - hso * go) / determinant;
    const stepOffset = (hss * go - hso * gs) / determinant;
    slope -= Math.max(-1, Math.min(1, stepSlope));
    offset -= Math.max(-1, Math.min(1, stepOffset));
    if (Math.abs(stepSlope) + Math.abs(stepOffset) < 1e-9) break;
  }
  return { kind: 'platt', slope: Math.max(slope, 1e-3), offset };
}

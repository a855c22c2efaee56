import type { Priors } from '../dataset/priors.js';
import type { Dataset } from '../dataset/read.js';
import type { SplitName } from '../dataset/split.js';
import type { HeadMetrics, Metrics, RuntimeMetrics } from '../model-card.js';
import { type Calibration, calibrated } from '../simulator/calibration.js';
import { type EmbeddedModel, runtimeOf } from '../simulator/embedded.js';
import { type FeatureRow, featureRows } from './feature-file.js';

/** Log-odds, not calibrated; `correct` is given that the kernel compiles. */
export type Scores = ReturnType<EmbeddedModel['score']>;

interface Judged {
  readonly truth: boolean;
  readonly probability: number;
  readonly prior: number;
}

/** How good a model is on a split that it was not trained on, beside what can be said without looking at the kernel. */
export async function evaluate(
  dataset: Dataset,
  split: SplitName,
  score: (one: FeatureRow) => Scores,
  calibration: Pick<Calibration, 'heads'>,
  priors: Priors,
  signal?: AbortSignal,
): Promise<Metrics> {
  const compiled: Judged[] = [];
  const correct: Judged[] = [];
  const runtimes: { truth: number; predicted: number; low: number; high: number }[] = [];
  for await (const one of featureRows(dataset, split, signal)) {
    const { row } = one;
    const scores = score(one);
    const prior = priors.of(row.problem);
    const builds = calibrated(calibration.heads.compiled, scores.compiled);
    compiled.push({ truth: row.label.compiled, probability: builds, prior: prior.compiled ?? 0.5 });
    const right = row.label.compiled ? row.label.correct : false;
    if (right !== null && scores.correct !== null && calibration.heads.correct !== null) {
      const probability = builds * calibrated(calibration.heads.correct, scores.correct);
      correct.push({ truth: right, probability, prior: prior.correct ?? 0.5 });
    }
    const runtime = row.label.runtimeMs === null ? null : runtimeOf(scores, row.label.referenceRuntimeMs);
    if (row.label.runtimeMs !== null && runtime !== null) {
      runtimes.push({ truth: row.label.runtimeMs, predicted: runtime.median, low: runtime.low, high: runtime.high });
    }
  }
  return {
    split,
    compiled: headMetrics(compiled, priors.majority.compiled),
    correct: headMetrics(correct, priors.majority.correct),
    runtime: runtimeMetrics(runtimes),
  };
}

function headMetrics(judged: readonly Judged[], majority: boolean | null): HeadMetrics | null {
  if (judged.length === 0) return null;
  const count = (test: (one: Judged) => boolean): number => judged.filter(test).length;
  const says = (one: Judged): boolean => one.probability >= 0.5;
  const truePositive = count((one) => says(one) && one.truth);
  const positive = count((one) => one.truth);
  const said = count(says);
  const trueNegative = count((one) => !says(one) && !one.truth);
  const negative = judged.length - positive;
  const precision = said === 0 ? 0 : truePositive / said;
  const recall = positive === 0 ? 0 : truePositive / positive;
  return {
    rows: judged.length,
    positives: positive,
    accuracy: (truePositive + trueNegative) / judged.length,
    precision,
    recall,
    f1: precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall),
    balancedAccuracy: positive === 0 || negative === 0 ? null : (recall + trueNegative / negative) / 2,
    auc: areaUnderCurve(judged),
    brier: judged.reduce((sum, one) => sum + (one.probability - Number(one.truth)) ** 2, 0) / judged.length,
    majorityAccuracy: count((one) => one.truth === (majority ?? true)) / judged.length,
    priorAccuracy: count((one) => one.truth === one.prior >= 0.5) / judged.length,
  };
}

/** The share of pairs (a positive, a negative) that stand in the right order; ties count half. */
function areaUnderCurve(judged: readonly Judged[]): number | null {
  const order = [...judged].sort((a, b) => a.probability - b.probability);
  let rankSum = 0;
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && order[end]?.probability === order[start]?.probability) end += 1;
    const rank = (start + end + 1) / 2;
    for (const one of order.slice(start, end)) if (one.truth) rankSum += rank;
    start = end;
  }
  const positive = order.filter((one) => one.truth).length;
  const negative = order.length - positive;
  return positive === 0 || negative === 0 ? null : (rankSum - (positive * (positive + 1)) / 2) / (positive * negative);
}

function runtimeMetrics(
  runtimes: readonly { truth: number; predicted: number; low: number; high: number }[],
): RuntimeMetrics | null {
  if (runtimes.length === 0) return null;
  const share = (test: (one: (typeof runtimes)[number]) => boolean): number =>
    runtimes.filter(test).length / runtimes.length;
  return {
    rows: runtimes.length,
    medianAbsoluteErrorMs: median(runtimes.map((one) => Math.abs(one.predicted - one.truth))),
    medianRelativeError: median(runtimes.map((one) => Math.abs(one.predicted - one.truth) / one.truth)),
    withinTwofold: share((one) => one.predicted <= 2 * one.truth && one.truth <= 2 * one.predicted),
    inInterval: share((one) => one.low <= one.truth && one.truth <= one.high),
  };
}

function median(values: readonly number[]): number {
  const order = [...values].sort((a, b) => a - b);
  const middle = order.length >> 1;
  return order.length % 2 === 1 ? (order[middle] ?? 0) : ((order[middle - 1] ?? 0) + (order[middle] ?? 0)) / 2;
}

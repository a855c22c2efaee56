import { averageOf, kendallTauBOf, medianOf } from '../../src/report/metrics.js';
import { at, type Fold } from './folds.js';
import type { Guess } from './predict.js';
import type { CorpusRow } from './rows.js';

/** Natural logarithms of what was measured, and of the quantiles that were foretold. */
interface Point {
  readonly unit: string;
  readonly truth: number;
  readonly low: number;
  readonly median: number;
  readonly high: number;
}

interface TimeFigures {
  readonly rows: number;
  readonly withinTwofold: number;
  /** Whoever says the median of all kernels of each of them. */
  readonly withinTwofoldOfTheMedianKernel: number;
  readonly inInterval: number;
  readonly kendallTau: number | null;
}

export interface RuntimeFigures extends TimeFigures {
  readonly medianAbsoluteErrorMs: number | null;
  readonly medianRelativeError: number | null;
  readonly kendallTauWithinProblem: { readonly problems: number; readonly mean: number | null };
}

export interface SpeedupFigures extends TimeFigures {
  readonly kernels: number;
}

/** Of correct, timed kernels; nobody published the time of the reference beside them, so none is given to the model. */
export function measureRuntimes(guesses: readonly Guess[]): RuntimeFigures | null {
  const points = guesses.flatMap(({ row, logRuntimeMs }): Point[] =>
    row.runtimeMs === null || logRuntimeMs === null ? [] : [pointOf(row.unit, row.runtimeMs, logRuntimeMs)],
  );
  if (points.length === 0) return null;
  const taus = [...new Set(points.map(({ unit }) => unit))]
    .map((unit) => tauOf(points.filter((one) => one.unit === unit)))
    .filter((tau) => tau !== null);
  const { rows, withinTwofold, withinTwofoldOfTheMedianKernel, inInterval, kendallTau } = figuresOf(points);
  return {
    rows,
    withinTwofold,
    withinTwofoldOfTheMedianKernel,
    medianAbsoluteErrorMs: medianOf(points.map((one) => Math.abs(Math.exp(one.median) - Math.exp(one.truth)))),
    medianRelativeError: medianOf(points.map((one) => Math.abs(Math.exp(one.median - one.truth) - 1))),
    inInterval,
    kendallTau,
    kendallTauWithinProblem: { problems: taus.length, mean: averageOf(taus) },
  };
}

/** Of CUDA-L1's kernels, as published for several GPUs. Where the reference's time is known, a speed-up is a runtime. */
export function measureSpeedups(folds: readonly Fold[], all: readonly CorpusRow[]): SpeedupFigures | null {
  const kernels = new Set<string>();
  const points: Point[] = [];
  for (const { split, speedup } of folds) {
    if (split !== 'problem' || speedup === null) continue;
    speedup.rows.forEach((place, index) => {
      const row = at(all, place);
      if (row.speedup === null) return;
      kernels.add(row.candidate);
      points.push(pointOf(row.unit, row.speedup, at(speedup.logs, index)));
    });
  }
  if (points.length === 0) return null;
  const { rows, ...figures } = figuresOf(points);
  return { rows, kernels: kernels.size, ...figures };
}

function pointOf(unit: string, truth: number, [low, median, high]: readonly [number, number, number]): Point {
  return { unit, truth: Math.log(truth), low, median, high };
}

function figuresOf(points: readonly Point[]): TimeFigures {
  const middle = medianOf(points.map(({ truth }) => truth)) ?? Number.NaN;
  const share = (test: (one: Point) => boolean): number => points.filter(test).length / points.length;
  return {
    rows: points.length,
    withinTwofold: share(({ median, truth }) => Math.abs(median - truth) <= Math.LN2),
    withinTwofoldOfTheMedianKernel: share(({ truth }) => Math.abs(middle - truth) <= Math.LN2),
    inInterval: share(({ low, truth, high }) => low <= truth && truth <= high),
    kendallTau: tauOf(points),
  };
}

function tauOf(points: readonly Point[]): number | null {
  return kendallTauBOf(
    points.map(({ median }) => median),
    points.map(({ truth }) => truth),
  );
}

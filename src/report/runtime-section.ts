import { formatCounted } from './figures.js';
import { predictionOf, type ReportCase, type ReportInput } from './input.js';
import { clusteredBootstrap, estimate, share } from './intervals.js';
import { averageOf, kendallTauBOf, medianOf, type Weights } from './metrics.js';
import type { Estimate, RuntimeRow, RuntimeSection } from './report-schema.js';
import { fewKernels } from './verdict-section.js';

interface Timed {
  readonly one: ReportCase;
  readonly truthMs: number;
}

/** How well runtimes were foretold, in milliseconds (comparable with the paper) and as factors (comparable at all). */
export function scoreRuntimes(input: ReportInput): RuntimeSection {
  const timed = input.cases.flatMap((one) => {
    const truthMs = one.truth.runtimeMs;
    return truthMs === null || truthMs <= 0 ? [] : [{ one, truthMs }];
  });
  const unmeasurable = whyNot(input, timed.length);
  const section = { timed: timed.length, problems: new Set(timed.map(({ one }) => one.problemId)).size, unmeasurable };
  if (unmeasurable !== null) return { ...section, notes: [], presence: [], rows: [] };
  const notes =
    timed.length < fewKernels ? [`Only ${formatCounted(timed.length, 'timed kernel')}: read the intervals.`] : [];
  return {
    ...section,
    notes,
    presence: presenceOf(input),
    rows: [...simulatorRows(input, timed), referenceRow(input, timed)],
  };
}

function whyNot(input: ReportInput, timed: number): string | null {
  if (timed === 0) {
    return input.cases.some((one) => one.truth.correct === true)
      ? 'The correct kernels carry no GPU runtime (they were not run on a GPU), so there is nothing to compare with.'
      : 'No kernel was timed: runtimes come from a GPU, and only for kernels that turn out to be correct.';
  }
  const told = input.cases.some((one) => one.predictions.some((prediction) => prediction.runtimeMs !== null));
  return told ? null : 'No simulator gives a runtime: none was trained on labels with runtimes.';
}

/** The paper's `runtime == -1`: is there a runtime, that is, does the kernel get as far as being timed? */
function presenceOf(input: ReportInput): RuntimeSection['presence'] {
  const executed = input.cases.filter(
    (one) => one.truth.correct !== null && (one.truth.correct === false || one.truth.runtimeMs !== null),
  );
  return input.simulators.flatMap(({ id }) => {
    const answers = executed.flatMap((one) => {
      const correct = predictionOf(one, id)?.correct ?? null;
      return correct === null ? [] : [correct >= 0.5 === (one.truth.runtimeMs !== null)];
    });
    const accuracy = share(answers.filter(Boolean).length, answers.length);
    return accuracy === null ? [] : [{ id, name: id, n: answers.length, accuracy }];
  });
}

function simulatorRows(input: ReportInput, timed: readonly Timed[]): RuntimeRow[] {
  return input.simulators.map(({ id }) => {
    const points = timed.flatMap(({ one, truthMs }) => {
      const runtime = predictionOf(one, id)?.runtimeMs ?? null;
      return runtime === null || runtime.median <= 0 ? [] : [point(one, truthMs, runtime)];
    });
    const row = { kind: 'simulator', id, name: id } as const;
    return rowOf(row, points, input.split.seed, { interval: true, reason: 'gives no runtime' });
  });
}

/** Whoever says that every kernel is exactly as fast as the reference. */
function referenceRow(input: ReportInput, timed: readonly Timed[]): RuntimeRow {
  const points = timed.flatMap(({ one, truthMs }) => {
    const median = one.truth.referenceRuntimeMs;
    return median === null || median <= 0 ? [] : [point(one, truthMs, { median, low: median, high: median })];
  });
  const row = { kind: 'baseline', id: 'reference-runtime', name: 'as the reference' } as const;
  return rowOf(row, points, input.split.seed, { interval: false, reason: 'the reference was not timed' });
}

type Point = RuntimeRow['points'][number];

function point(one: ReportCase, truthMs: number, told: { median: number; low: number; high: number }): Point {
  const { candidateHash, problemId } = one;
  return { candidateHash, problemId, truthMs, predictedMs: told.median, lowMs: told.low, highMs: told.high };
}

function rowOf(
  row: Pick<RuntimeRow, 'kind' | 'id' | 'name'>,
  points: Point[],
  seed: number,
  options: { interval: boolean; reason: string },
): RuntimeRow {
  const offMs = points.map(({ truthMs, predictedMs }) => Math.abs(predictedMs - truthMs));
  const offShare = points.map(({ truthMs, predictedMs }) => Math.abs(predictedMs - truthMs) / truthMs);
  const spread = (
    values: readonly number[],
    statistic: (values: readonly number[]) => number | null,
  ): Estimate | null =>
    estimate(
      statistic(values),
      clusteredBootstrap(
        points.map(({ problemId }) => problemId),
        (weights) => statistic(repeated(values, weights)),
        { seed, resamples: 400 },
      ),
    );
  return {
    ...row,
    n: points.length,
    reason: points.length === 0 ? options.reason : null,
    meanAbsoluteErrorMs: spread(offMs, averageOf),
    medianAbsoluteErrorMs: spread(offMs, medianOf),
    medianAbsolutePercentageError: spread(offShare, medianOf),
    withinTwofold: share(points.filter((one) => factorOf(one) <= 2).length, points.length),
    kendallTau: tauWithinProblems(points),
    intervalCoverage: options.interval
      ? share(points.filter((one) => one.truthMs >= one.lowMs && one.truthMs <= one.highMs).length, points.length)
      : null,
    points: options.interval ? points : [],
  };
}

/** By which factor a predicted runtime is off, at least 1. */
export function factorOf({ truthMs, predictedMs }: Pick<Point, 'truthMs' | 'predictedMs'>): number {
  return Math.max(truthMs / predictedMs, predictedMs / truthMs);
}

function repeated(values: readonly number[], weights: Weights): number[] {
  const drawn: number[] = [];
  values.forEach((value, row) => {
    for (let times = weights[row] ?? 0; times > 0; times -= 1) drawn.push(value);
  });
  return drawn;
}

function tauWithinProblems(points: readonly Point[]): RuntimeRow['kendallTau'] {
  let weighted = 0;
  let pairs = 0;
  let problems = 0;
  for (const problem of new Set(points.map(({ problemId }) => problemId))) {
    const members = points.filter(({ problemId }) => problemId === problem);
    const tau = kendallTauBOf(
      members.map(({ predictedMs }) => predictedMs),
      members.map(({ truthMs }) => truthMs),
    );
    if (tau === null) continue;
    const count = (members.length * (members.length - 1)) / 2;
    weighted += tau * count;
    pairs += count;
    problems += 1;
  }
  return pairs === 0 ? null : { value: weighted / pairs, problems, pairs };
}

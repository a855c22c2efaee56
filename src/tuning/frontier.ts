import { sha256 } from '../problem.js';
import { clusteredBootstraps, type Interval } from '../report/intervals.js';

/**
 * A kernel whose verdict is known, and what a simulator that had not seen it said. `pCorrect` is joint with compiling;
 * `pCorrectOnceBuilt` is what it says when told what the build said, null where it was not asked.
 */
export interface JudgedKernel {
  readonly problem: string;
  readonly compiled: boolean;
  readonly correct: boolean;
  readonly pCompiled: number;
  readonly pCorrect: number;
  readonly pCorrectOnceBuilt?: number | null;
}

/**
 * - `confidence`: the simulator alone, where the less sure of its two answers is sure enough; the harness builds and
 *   executes the rest.
 * - `build-first`: every kernel is built; one that builds is executed unless the simulator is sure whether it is right.
 * - `build-first-two`: the same, with a threshold for each answer: sure enough of a no, sure enough of a yes.
 */
export const tunedModes = ['confidence', 'build-first', 'build-first-two'] as const;
export type TunedMode = (typeof tunedModes)[number];

/** How sure the simulator must be to be believed; the first is that of a no where the mode tells yes and no apart. */
export type Thresholds = readonly number[];

export interface FrontierPoint {
  /** Of all kernels: final verdicts (compiled, correct) that are not the harness's, and those that need no execution. */
  readonly wrong: number;
  readonly noExecution: number;
  readonly thresholds: Thresholds;
}

/** The largest share without execution for every number of wrong verdicts, on the very kernels that it is drawn from. */
export function frontierOf(mode: TunedMode, kernels: readonly JudgedKernel[]): FrontierPoint[] {
  const sides = sidesOf(mode, kernels);
  const settled = kernels.length - sides.flat().length;
  const most = sides.flat().filter(({ wrong }) => wrong).length;
  const cuts = sides.map(cutsOf);
  const points: FrontierPoint[] = [];
  for (let budget = 0; budget <= most; budget += 1) {
    const best = bestWithin(cuts, budget);
    const noExecution = (settled + best.taken) / kernels.length;
    if (noExecution === points.at(-1)?.noExecution) continue;
    points.push({ wrong: best.wrong / kernels.length, noExecution, thresholds: best.thresholds });
  }
  return points;
}

/**
 * The thresholds that leave the fewest executions while (wrong + thresholds) / (n + 1) <= maxError. With one threshold
 * this is conformal risk control (Angelopoulos et al. 2022): the error then holds on average for kernels to come, not only
 * for these. Choosing two at once fits these kernels a little closer, so each of them costs one wrong verdict beforehand;
 * that is a margin, not a theorem. What the choice is really worth, `crossFit` tells.
 */
export function chooseThresholds(mode: TunedMode, kernels: readonly JudgedKernel[], maxError: number): Thresholds {
  const sides = sidesOf(mode, kernels);
  // A product that should be whole may fall a hair short of it.
  const budget = Math.floor(maxError * (kernels.length + 1) - sides.length + 1e-9);
  return bestWithin(sides.map(cutsOf), budget).thresholds;
}

export interface HeldOutEstimate {
  readonly value: number;
  /** 95%, by resampling whole problems; null with fewer than two. */
  readonly interval: Interval | null;
}

export interface CrossFitted {
  readonly wrong: HeldOutEstimate;
  readonly noExecution: HeldOutEstimate;
  readonly thresholds: readonly Thresholds[];
}

/**
 * What the choice of thresholds is worth: problems are dealt into folds, thresholds for each fold are chosen on the others,
 * and what they do there is counted. No kernel is judged by a threshold that its problem had a say in.
 */
export function crossFit(
  mode: TunedMode,
  kernels: readonly JudgedKernel[],
  options: { readonly maxError: number; readonly folds: number },
): CrossFitted {
  const foldOf = dealProblems(kernels, options.folds);
  const thresholds = Array.from({ length: options.folds }, (_, fold) =>
    chooseThresholds(
      mode,
      kernels.filter((kernel) => foldOf(kernel) !== fold),
      options.maxError,
    ),
  );
  const ends = kernels.map((kernel) => endOf(mode, kernel, thresholds[foldOf(kernel)] ?? []));
  const measures = [(index: number) => ends[index]?.wrong === true, (index: number) => ends[index]?.executed === false];
  const shares = (weightOf: (index: number) => number): number[] =>
    measures.map((holds) => {
      let [sum, total] = [0, 0];
      for (let index = 0; index < ends.length; index += 1) {
        total += weightOf(index);
        if (holds(index)) sum += weightOf(index);
      }
      return sum / total;
    });
  const intervals = clusteredBootstraps(
    kernels.map(({ problem }) => problem),
    (weights) => shares((index) => weights[index] ?? 0),
    { seed: 1 },
  );
  const [wrong = 0, noExecution = 0] = shares(() => 1);
  return {
    wrong: { value: wrong, interval: intervals[0] ?? null },
    noExecution: { value: noExecution, interval: intervals[1] ?? null },
    thresholds,
  };
}

/** How a kernel fares under thresholds. */
export function endOf(
  mode: TunedMode,
  kernel: JudgedKernel,
  thresholds: Thresholds,
): { readonly executed: boolean; readonly wrong: boolean } {
  const answer = answerOf(mode, kernel);
  if (answer === null) return { executed: false, wrong: false };
  const executed = answer.sureness < (thresholds[answer.side] ?? Number.POSITIVE_INFINITY);
  return { executed, wrong: !executed && answer.wrong };
}

interface Answer {
  readonly side: number;
  readonly sureness: number;
  readonly wrong: boolean;
}

/** What the simulator would answer, if it is believed; null: the build has settled it. One half or more is a yes. */
function answerOf(
  mode: TunedMode,
  { compiled, correct, pCompiled, pCorrect, pCorrectOnceBuilt }: JudgedKernel,
): Answer | null {
  const sure = (probability: number): number => Math.max(probability, 1 - probability);
  if (mode === 'confidence') {
    const wrong = pCompiled >= 0.5 !== compiled || pCorrect >= 0.5 !== correct;
    return { side: 0, sureness: Math.min(sure(pCompiled), sure(pCorrect)), wrong };
  }
  if (!compiled) return null;
  const givenBuild = pCorrectOnceBuilt ?? (pCompiled > 0 ? Math.min(1, pCorrect / pCompiled) : 0);
  const yes = givenBuild >= 0.5;
  return { side: mode === 'build-first-two' && yes ? 1 : 0, sureness: sure(givenBuild), wrong: yes !== correct };
}

function sidesOf(mode: TunedMode, kernels: readonly JudgedKernel[]): Answer[][] {
  const sides: Answer[][] = mode === 'build-first-two' ? [[], []] : [[]];
  for (const kernel of kernels) {
    const answer = answerOf(mode, kernel);
    if (answer !== null) sides[answer.side]?.push(answer);
  }
  for (const side of sides) side.sort((a, b) => b.sureness - a.sureness);
  return sides;
}

interface Cut {
  readonly threshold: number;
  readonly taken: number;
  readonly wrong: number;
}

/** Where a side can be cut: between answers that are not equally sure. The first cut takes nothing. */
function cutsOf(side: readonly Answer[]): Cut[] {
  const cuts: Cut[] = [{ threshold: Number.POSITIVE_INFINITY, taken: 0, wrong: 0 }];
  let wrong = 0;
  side.forEach((answer, index) => {
    wrong += answer.wrong ? 1 : 0;
    if (side[index + 1]?.sureness === answer.sureness) return;
    cuts.push({ threshold: answer.sureness, taken: index + 1, wrong });
  });
  return cuts;
}

/** The cuts of the sides that take most with no more wrong than the budget; of equals, the one with fewer wrong. */
function bestWithin(
  sides: readonly (readonly Cut[])[],
  budget: number,
): { taken: number; wrong: number; thresholds: Thresholds } {
  const [first = [], second = []] = sides;
  let best = { taken: 0, wrong: 0, thresholds: sides.map(() => Number.POSITIVE_INFINITY) };
  let at = second.length - 1;
  for (const one of first) {
    if (one.wrong > budget) break;
    while (at > 0 && (second[at]?.wrong ?? 0) > budget - one.wrong) at -= 1;
    const other = second[at];
    const taken = one.taken + (other?.taken ?? 0);
    const wrong = one.wrong + (other?.wrong ?? 0);
    if (taken > best.taken || (taken === best.taken && wrong < best.wrong)) {
      best = { taken, wrong, thresholds: other === undefined ? [one.threshold] : [one.threshold, other.threshold] };
    }
  }
  return best;
}

/** Problems in the order of their hashes, dealt like cards: folds of nearly the same number of problems, always the same. */
function dealProblems(kernels: readonly JudgedKernel[], folds: number): (kernel: JudgedKernel) => number {
  const order = [...new Set(kernels.map(({ problem }) => problem))]
    .map((problem) => ({ problem, hash: sha256('fold', problem) }))
    .sort((a, b) => (a.hash < b.hash ? -1 : 1));
  const fold = new Map(order.map(({ problem }, index) => [problem, index % folds]));
  return ({ problem }) => fold.get(problem) ?? 0;
}

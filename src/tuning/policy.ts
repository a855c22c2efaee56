import type { HybridPolicy, PolicyFile } from '../validator/policy.js';
import {
  type CrossFitted,
  chooseThresholds,
  crossFit,
  type FrontierPoint,
  frontierOf,
  type Thresholds,
  type TunedMode,
  tunedModes,
} from './frontier.js';
import type { LabelledPredictions } from './predictions.js';

/** One way of mixing simulator and harness on one kind of split. */
export interface ModeResult {
  readonly mode: TunedMode;
  /** Chosen on all kernels: what the policy file gets. */
  readonly policy: HybridPolicy;
  /** What such a choice is worth on problems that had no say in it. */
  readonly heldOut: CrossFitted;
  /** Drawn from the same kernels that it is measured on, so a little too good. */
  readonly frontier: readonly FrontierPoint[];
}

export interface SplitResult {
  readonly split: LabelledPredictions['split'];
  readonly kernels: number;
  readonly problems: number;
  readonly leftOut: number;
  /** Kernels that do not compile: no execution is needed where everything is built first. */
  readonly failedBuilds: number;
  readonly modes: readonly ModeResult[];
}

export interface TunedPolicies {
  readonly maxError: number;
  /** The error that thresholds are chosen for: lower than `maxError` leaves room to spare. */
  readonly aim: number;
  readonly folds: number;
  /** What was tuned on, in words. */
  readonly source: string;
  readonly splits: readonly SplitResult[];
}

/** The frontier and the thresholds for a wanted error, for every way of mixing and every kind of split. */
export function tunePolicies(
  predictions: readonly LabelledPredictions[],
  options: { readonly maxError: number; readonly aim?: number; readonly source: string; readonly folds?: number },
): TunedPolicies {
  const { maxError, source, aim = maxError, folds = 5 } = options;
  const judged = predictions.filter(({ kernels }) => kernels.length > 0);
  const splits = judged.map(({ split, kernels, leftOut }) => ({
    split,
    kernels: kernels.length,
    problems: new Set(kernels.map(({ problem }) => problem)).size,
    leftOut,
    failedBuilds: kernels.filter(({ compiled }) => !compiled).length,
    modes: tunedModes.map((mode) => ({
      mode,
      policy: policyOf(mode, chooseThresholds(mode, kernels, aim)),
      heldOut: crossFit(mode, kernels, { maxError: aim, folds }),
      frontier: frontierOf(mode, kernels),
    })),
  }));
  return { maxError, aim, folds, source, splits };
}

/** The share of kernels that should need no execution, if the mixture is to be worth its trouble. */
export const wantedWithoutExecution = 0.5;

/** Whether so few verdicts are wrong with so few executions on held-out problems; surely: the whole intervals say so. */
export function reached({ heldOut }: ModeResult, maxError: number): 'no' | 'yes' | 'surely' {
  const { wrong, noExecution } = heldOut;
  if (wrong.value > maxError || noExecution.value < wantedWithoutExecution) return 'no';
  const sure = (wrong.interval?.high ?? 1) <= maxError && (noExecution.interval?.low ?? 0) >= wantedWithoutExecution;
  return sure ? 'surely' : 'yes';
}

/** Of those whose error on held-out problems is as wanted, the one with the fewest executions; else the least wrong. */
export function bestMode({ modes }: SplitResult, maxError: number): ModeResult {
  const good = modes.filter(({ heldOut }) => heldOut.wrong.value <= maxError);
  const by = (key: (mode: ModeResult) => number) => (a: ModeResult, b: ModeResult) => key(b) - key(a);
  const [best] =
    good.length > 0
      ? good.sort(by(({ heldOut }) => heldOut.noExecution.value))
      : [...modes].sort(by(({ heldOut }) => -heldOut.wrong.value));
  if (best === undefined) throw new Error('a split has modes');
  return best;
}

export function policyFileOf(tuned: TunedPolicies, { split, kernels }: SplitResult, mode: ModeResult): PolicyFile {
  const { wrong, noExecution } = mode.heldOut;
  return {
    format: 'kval-hybrid-policy',
    policy: mode.policy,
    evidence: {
      source: tuned.source,
      split,
      kernels,
      mode: mode.mode,
      maxError: tuned.maxError,
      aim: tuned.aim,
      heldOutWrong: { ...wrong.interval, value: wrong.value },
      heldOutNoExecution: { ...noExecution.interval, value: noExecution.value },
    },
  };
}

/** A threshold that nothing reaches means that nothing is believed. */
function policyOf(mode: TunedMode, thresholds: Thresholds): HybridPolicy {
  const [first = 1, second = 1] = thresholds.map((one) => Math.min(one, 1));
  const escalate = { confidenceBelow: first, speedupAbove: null };
  switch (mode) {
    case 'confidence':
      return { buildFirst: false, escalate };
    case 'build-first':
      return { buildFirst: true, escalate };
    case 'build-first-two':
      return {
        buildFirst: true,
        escalate: { confidenceBelow: 0, correct: { above: 1 - first, below: second }, speedupAbove: null },
      };
  }
}

import { compiledOf, correctOf, type DriftState, type Measured, type Predicted } from '../verdict.js';
import { wilson } from '../wilson.js';
import type { HybridPolicy } from './policy.js';

/** Watches how often the simulator's word, where it would have been taken, is what the harness says. */
export interface Drift {
  add(measured: Measured, predicted: Predicted): void;
  state(): DriftState;
}

type Bounds = NonNullable<HybridPolicy['drift']>;
type Head = 'compiled' | 'correct';
type Pair = Readonly<Record<Head, boolean | null>>;

/**
 * Two rules, each sure at 95% (Wilson) of what it says, over the latest `window` kernels that both sides judged:
 *
 * - escalate everything once a head's agreement is surely below its bound, its whole interval under it;
 * - trust again once every head's agreement since then is surely not below, its whole interval at or above the bound.
 *
 * Neither is applied to fewer than `leastPairs`. What was seen before a rule applied is forgotten when an escalation
 * begins, so a simulator is trusted again for what it does now. A kernel that comes again replaces its earlier pair:
 * agreeing on it twice teaches nothing.
 */
export function watchDrift(bounds: Bounds): Drift {
  const pairs = new Map<string, Pair>();
  let escalating = false;

  const agreement = (head: Head): DriftState[Head] => {
    const known = [...pairs.values()].flatMap((pair) => pair[head] ?? []);
    const agreed = known.filter(Boolean).length;
    const interval = wilson(agreed, known.length);
    return interval === null ? null : { pairs: known.length, agreed, ...interval };
  };
  const heads = (): { bound: number; seen: DriftState[Head] }[] =>
    (['compiled', 'correct'] as const).flatMap((head) => {
      const bound = bounds[`${head}Below`];
      return bound === null ? [] : [{ bound, seen: agreement(head) }];
    });
  const enough = (seen: DriftState[Head]): seen is NonNullable<typeof seen> =>
    seen !== null && seen.pairs >= bounds.leastPairs;

  return {
    add(measured, predicted) {
      pairs.delete(measured.jobKey);
      pairs.set(measured.jobKey, compare(measured, predicted));
      for (const oldest of pairs.keys()) {
        if (pairs.size <= bounds.window) break;
        pairs.delete(oldest);
      }
      if (escalating) {
        escalating = !heads().every(({ bound, seen }) => enough(seen) && seen.low >= bound);
      } else if (heads().some(({ bound, seen }) => enough(seen) && seen.high < bound)) {
        escalating = true;
        pairs.clear();
      }
    },
    state: () => ({ escalating, compiled: agreement('compiled'), correct: agreement('correct') }),
  };
}

/** A probability of one half or more says yes. Null: one side says nothing. */
function compare({ outcome }: Measured, { probabilities }: Predicted): Pair {
  const agrees = (truth: boolean | null, probability: number | null): boolean | null =>
    truth === null || probability === null ? null : probability >= 0.5 === truth;
  return {
    compiled: agrees(compiledOf(outcome), probabilities.compiled),
    correct: agrees(correctOf(outcome), probabilities.correct),
  };
}

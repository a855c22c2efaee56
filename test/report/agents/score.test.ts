import { describe, expect, it } from 'vitest';
import { type AgentVerdict, countWhere, fastP, geometricMean, passAtK } from '../../../src/report/agents/score.js';

const right = (speedup: number | null): AgentVerdict => ({ compiled: true, correct: true, speedup });
const wrong: AgentVerdict = { compiled: true, correct: false, speedup: null };
const unknown: AgentVerdict = { compiled: null, correct: null, speedup: null };

describe('fast_p', () => {
  it('is over all problems, and strictly faster', () => {
    // KernelBench's fastp([1, 1, 1, 0], [2, 1, 3, 1], [1, 1, 2, 9], 4, 1.0): speed-ups 2, 1 and 1.5; two exceed 1.
    const verdicts = [right(2), right(1), right(1.5), wrong];
    expect(fastP(verdicts, 10, 1)).toEqual({ yes: 2, unknown: 0, of: 10 });
    expect(fastP(verdicts, 10, 1.5)).toEqual({ yes: 1, unknown: 0, of: 10 });
    expect(fastP(verdicts, 10, 0)).toEqual({ yes: 3, unknown: 0, of: 10 });
  });

  it('does not take what is missing for a failure', () => {
    expect(fastP([right(null), right(3), unknown, wrong], 4, 2)).toEqual({ yes: 1, unknown: 2, of: 4 });
    expect(countWhere([unknown, wrong], 2, ({ compiled }) => compiled)).toEqual({ yes: 1, unknown: 1, of: 2 });
  });
});

describe('the geometric mean of speed-ups', () => {
  it('is over correct kernels, the slow ones too', () => {
    expect(geometricMean([right(4), right(0.25), wrong])).toEqual({ value: 1, n: 2 });
    expect(geometricMean([right(2), right(8), right(null)])?.value).toBeCloseTo(4, 12);
  });

  it('is nothing of nothing, and does not overflow', () => {
    expect(geometricMean([wrong, right(null), unknown])).toBeNull();
    expect(geometricMean(Array.from({ length: 500 }, () => right(1e3)))?.value).toBeCloseTo(1e3, 6);
  });
});

describe('pass@k', () => {
  it('is the share of draws of k samples that hold a right one', () => {
    for (let n = 1; n <= 7; n += 1) {
      for (let c = 0; c <= n; c += 1) {
        for (let k = 1; k <= n; k += 1) expect(passAtK(n, c, k)).toBeCloseTo(drawsWithARightOne(n, c, k), 12);
      }
    }
  });

  it('is not known of fewer than k samples', () => {
    expect(passAtK(3, 3, 5)).toBeNull();
  });
});

/** Counts every way to draw k of n samples of which the first c are right. */
function drawsWithARightOne(n: number, c: number, k: number): number {
  let [all, good] = [0, 0];
  for (let drawn = 0; drawn < 1 << n; drawn += 1) {
    const members = Array.from({ length: n }, (_, index) => index).filter((index) => (drawn >> index) & 1);
    if (members.length !== k) continue;
    all += 1;
    if (members.some((index) => index < c)) good += 1;
  }
  return good / all;
}

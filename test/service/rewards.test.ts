import { describe, expect, it } from 'vitest';
import { type Facts, infraFacts, noKernelFacts } from '../../src/service/facts.js';
import { type RewardName, rewardNameSchema, rewardOf } from '../../src/service/rewards.js';

const compileError: Facts = { ...noKernelFacts(), status: 'compile-error', fidelity: 'built' };
const wrong: Facts = { ...noKernelFacts(), status: 'mismatch', compiled: 1 };
const cheat: Facts = { ...wrong, status: 'rejected' };
const correct = (speedup: number | null): Facts => ({
  ...wrong,
  status: 'correct',
  correct: 1,
  timed: speedup === null ? 0 : 1,
  speedup: speedup ?? 0,
});

describe('reward presets', () => {
  it.each<[RewardName, compile: number, wrong: number, half: number, same: number, faster: number, five: number]>([
    ['kevin', 0, 0, 0.8, 1.3, 1.7, 5.3],
    ['cuda-l1', 0, 0, 0.5, 1, 1.4, 5],
    ['drkernel-weighted', 0, 0, 0.5, 0.5, 1, 1],
    ['drkernel-speedup', 0, 0, 0.5, 1, 1.2, 2],
    ['kernelgym-tiered', -0.5, -0.3, -0.1, 0.2, 0.4, 1],
    ['kernrl', -0.5, -0.25, -0.25, 0, 0.4, 2],
    ['cuda-agent', -1, -1, 1, 1, 2, 2],
    ['fast-p', 0, 0, 0, 0, 1, 1],
  ])('%s', (name, ...expected) => {
    const kernels = [compileError, wrong, correct(0.5), correct(1), correct(1.4), correct(5)];
    const rewards = kernels.map((facts) => Number(rewardOf(name, facts).reward.toFixed(12)));
    expect(rewards).toEqual(expected);
  });

  it.each(rewardNameSchema.options)('%s counts a correct kernel of unknown speed as one like the reference', (name) => {
    expect(rewardOf(name, correct(null))).toEqual(rewardOf(name, correct(1)));
  });

  it.each(rewardNameSchema.options)(
    '%s gives nobody more for a cheat or a failed instrument than for a wrong kernel',
    (name) => {
      for (const facts of [cheat, infraFacts()]) {
        expect(rewardOf(name, facts).reward).toBeLessThanOrEqual(rewardOf(name, wrong).reward);
      }
    },
  );

  it.each(rewardNameSchema.options)('%s has a score within 0 and 1, rising with the reward', (name) => {
    const scores = [compileError, wrong, correct(0.5), correct(1), correct(1.4), correct(50)].map(
      (facts) => rewardOf(name, facts).score,
    );
    expect(scores).toEqual(scores.slice().sort((a, b) => a - b));
    expect(Math.min(...scores)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...scores)).toBe(1);
  });
});

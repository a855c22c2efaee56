import { z } from 'zod';
import type { Facts } from './facts.js';

/** What a reward is made of: a correct kernel whose speed nobody knows counts as being as fast as the reference. */
type Kernel = Pick<Facts, 'status' | 'compiled' | 'correct'> & { readonly speedup: number };

interface Preset {
  readonly from: string;
  /** The rewards that it gives, for a `score` in [0, 1]; what has no upper end is cut at a speed-up of 3. */
  readonly range: readonly [low: number, high: number];
  reward(kernel: Kernel): number;
}

const presets = {
  kevin: {
    from: 'Kevin-32B (arXiv 2507.11948): 0.3 for a correct kernel, and its speed-up',
    range: [0, 3.3],
    reward: ({ correct, speedup }) => correct * (0.3 + speedup),
  },
  'cuda-l1': {
    from: 'CUDA-L1 (arXiv 2507.14111): the speed-up of a correct kernel; its normalising and re-timing are not here',
    range: [0, 3],
    reward: ({ correct, speedup }) => correct * speedup,
  },
  'drkernel-weighted': {
    from: 'Dr.Kernel: a half for a correct kernel, a half for one at least 1% faster; its coverage term is left out',
    range: [0, 1],
    reward: ({ correct, speedup }) => correct * (0.5 + (speedup >= 1.01 ? 0.5 : 0)),
  },
  'drkernel-speedup': {
    from: 'Dr.Kernel: a half for a correct kernel, and half its speed-up from 1 up to 3; its coverage term is left out',
    range: [0, 2],
    reward: ({ correct, speedup }) => correct * (0.5 + 0.5 * (speedup < 1 ? 0 : Math.min(speedup, 3))),
  },
  'kernelgym-tiered': {
    from: 'KernelGYM: -1 for a cheat or a kernel that never ran to its end, -0.5, -0.3, -0.1, then 0.2 to 1 by speed-up',
    range: [-1, 1],
    reward: (kernel) => {
      if (kernel.status === 'rejected' || kernel.status === 'timeout') return -1;
      if (kernel.compiled === 0) return -0.5;
      if (kernel.correct === 0) return -0.3;
      return tier(kernel.speedup, [3, 1], [2, 0.8], [1.5, 0.6], [1.2, 0.4], [1, 0.2]) ?? -0.1;
    },
  },
  kernrl: {
    from: 'kernrl (OpenEnv): -0.5 and -0.25 for failures, half of what a slower kernel lacks, what a faster one gains up to 2',
    range: [-0.5, 2],
    reward: ({ compiled, correct, speedup }) => {
      if (compiled === 0) return -0.5;
      if (correct === 0) return -0.25;
      return speedup <= 1 ? 0.5 * (speedup - 1) : Math.min(speedup - 1, 2);
    },
  },
  'cuda-agent': {
    from: 'CUDA Agent (arXiv 2602.24286): -1, 1 for a correct kernel, 2 for one over 5% faster; 3 needs a second baseline',
    range: [-1, 2],
    reward: ({ correct, speedup }) => (correct === 0 ? -1 : speedup > 1.05 ? 2 : 1),
  },
  'fast-p': {
    from: 'KernelBench: 1 for a correct kernel that is faster than the reference (p = 1)',
    range: [0, 1],
    reward: ({ correct, speedup }) => (correct === 1 && speedup > 1 ? 1 : 0),
  },
} as const satisfies Record<string, Preset>;

export const rewardNameSchema = z.enum(Object.keys(presets) as [RewardName, ...RewardName[]]);
export type RewardName = keyof typeof presets;

export const rewardPresets: readonly { readonly name: RewardName; readonly from: string }[] =
  rewardNameSchema.options.map((name) => ({ name, from: presets[name].from }));

/** A named reward from facts, and the same brought into [0, 1]. Where the instrument failed it is the lowest there is. */
export function rewardOf(name: RewardName, facts: Facts): { readonly reward: number; readonly score: number } {
  const preset: Preset = presets[name];
  const [low, high] = preset.range;
  const speedup = facts.timed === 1 ? facts.speedup : 1;
  const reward = facts.infra_ok === 0 ? low : preset.reward({ ...facts, speedup });
  return { reward, score: Math.min(Math.max((reward - low) / (high - low), 0), 1) };
}

/** The value of the first step that is reached, from the highest down. */
function tier(speedup: number, ...steps: readonly (readonly [least: number, value: number])[]): number | undefined {
  return steps.find(([least]) => speedup >= least)?.[1];
}

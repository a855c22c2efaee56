import type { BuildFacts } from '../../src/simulator/build-features.js';

type BuiltKernel = BuildFacts['kernels'][number];

/** What a build says of a plain kernel with these instructions. */
export function builtKernel(instructions: Record<string, number>, more: Partial<BuiltKernel> = {}): BuiltKernel {
  return {
    arch: 'sm_90',
    registers: 16,
    sharedBytes: 0,
    constantBytes: null,
    stackBytes: 0,
    spillStoreBytes: 0,
    spillLoadBytes: 0,
    instructions,
    ...more,
  };
}

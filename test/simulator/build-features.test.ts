import { expect, test } from 'vitest';
import { type BuildFacts, buildFactsOf, buildFeatureNames, describeBuild } from '../../src/simulator/build-features.js';
import type { BuildRecord } from '../../src/verdict.js';
import { builtKernel } from './builds.js';

const named = (facts: BuildFacts): Record<string, number> => {
  const values = describeBuild(facts);
  if (values === null) throw new Error('nothing is told');
  expect(values.length).toBe(buildFeatureNames.length);
  return Object.fromEntries(buildFeatureNames.map((name, index) => [name, values[index] ?? Number.NaN]));
};

test('kernels that write nothing, read nothing or share without waiting are counted', () => {
  const sound = builtKernel({ globalLoad: 2, sharedStore: 1, barrier: 1, globalStore: 1 });
  const racing = builtKernel({ globalLoad: 2, sharedStore: 1, globalStore: 1 });
  const empty = builtKernel({ branch: 1 });
  const reducing = builtKernel({ globalLoad: 1, atomic: 1 }, { registers: 40, spillStoreBytes: 8 });
  const told = named({ kernels: [sound, racing, empty, reducing], warnings: { 'nvcc 177-D': 2, 'g++ -Wfoo': 1 } });
  expect(told).toMatchObject({
    'built.kernels': 4,
    'built.registers': 40,
    'built.spills': Math.log1p(8),
    'built.globalStore': Math.log1p(2),
    'built.writesNothing': 1,
    'built.readsNothing': 1,
    'built.sharedUnsynchronised': 1,
    'built.warnings': 3,
    'built.unused': 2,
    'built.uninitialised': 0,
  });
  expect(Object.values(told).every(Number.isFinite)).toBe(true);
});

test('a build that tells only part of it tells nothing', () => {
  const old = { ...builtKernel({}), instructions: null };
  expect(describeBuild({ kernels: [], warnings: {} })).toBeNull();
  expect(describeBuild({ kernels: [old], warnings: {} })).toBeNull();
  expect(describeBuild({ kernels: [builtKernel({ move: 1 }), old], warnings: {} })).toBeNull();
});

test('of a build record the kernels of all extensions are kept and warnings counted, without names and words', () => {
  const diagnostic = { tool: 'nvcc', severity: 'warning', file: 'cuda_sources', line: 3, column: 1 } as const;
  const extension: BuildRecord['extensions'][number] = {
    name: 'secret',
    path: 'fast',
    cached: false,
    key: 'k',
    durationMs: 1,
    fallbackReason: null,
    steps: [],
    kernels: [{ name: 'secret(float*)', ...builtKernel({ move: 1 }) }],
    diagnostics: [
      { ...diagnostic, code: '177-D', message: 'variable "secret" was declared but never referenced' },
      { ...diagnostic, severity: 'error', code: '20', message: 'identifier "secret" is undefined' },
    ],
  };
  const facts = buildFactsOf({ extensions: [extension, extension] });
  expect(facts).toEqual({
    kernels: [builtKernel({ move: 1 }), builtKernel({ move: 1 })],
    warnings: { 'nvcc 177-D': 2 },
  });
  expect(JSON.stringify(facts)).not.toContain('secret');
});

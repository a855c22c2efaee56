import { join } from 'node:path';
import { dir } from 'tmp-promise';
import { expect, test } from 'vitest';
import type { Settings } from '../../src/candidate.js';
import { examplesOf } from '../../src/dataset/examples.js';
import { LabelStore } from '../../src/labels/store.js';
import type { Outcome } from '../../src/verdict.js';
import { exampleJob, exampleMeasured } from '../labels/examples.js';

const right: Outcome = { status: 'correct', timing: null, maxAbsError: 0, maxRelError: 0 };
const broken: Outcome = { status: 'compile-error', stage: 'nvcc', message: 'broken', diagnostics: [] };

test('a row names the device that it was meant for, whether or not its kernel came so far', async () => {
  const { path, cleanup } = await dir({ unsafeCleanup: true });
  const store = LabelStore.open(join(path, 'labels.db'));
  const put = (text: string, settings: Partial<Settings>, outcome: Outcome, device: string | null): void => {
    const job = exampleJob(text, settings);
    const measured = exampleMeasured(job, outcome);
    store.append({ ...measured, provenance: { ...measured.provenance, device } }, job);
  };
  put('a', { device: 'cuda' }, right, 'NVIDIA H200');
  put('b', { device: 'cuda' }, right, 'NVIDIA H200');
  put('c', { device: 'cuda' }, right, 'NVIDIA A100');
  put('d', { device: 'cuda' }, broken, null);
  put('e', { device: 'cpu' }, right, 'CUDA in software');
  put('f', { device: 'cpu' }, broken, null);
  put('g', { device: 'none' }, broken, null);
  const devices = [...examplesOf(store, 'harness')].map(({ candidate, label }) => [candidate.source, label.device]);
  expect(Object.fromEntries(devices)).toEqual({
    'a\n': 'NVIDIA H200',
    'b\n': 'NVIDIA H200',
    'c\n': 'NVIDIA A100',
    'd\n': 'NVIDIA H200',
    'e\n': 'CUDA in software',
    'f\n': 'CUDA in software',
    'g\n': null,
  });
  store.close();
  await cleanup();
});

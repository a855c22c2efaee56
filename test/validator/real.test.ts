import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { type Job, jobKey, makeCandidate, type Settings, settingsSchema } from '../../src/candidate.js';
import { type Config, readConfig } from '../../src/config.js';
import { collect } from '../../src/labels/collect.js';
import { LabelStore } from '../../src/labels/store.js';
import { makeProblem } from '../../src/problem.js';
import { createRealValidator, openHarness, type RealValidator } from '../../src/validator/real.js';
import type { PoolOptions } from '../../src/worker/pool.js';
import { fixtureCommand, fixtureEnvironment } from '../worker/fixture.js';
import { conforms } from './conformance.js';

const home = mkdtempSync(join(tmpdir(), 'kval-real-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const config: Config = { ...readConfig(), home, buildCacheFolder: join(home, 'builds'), workers: 2 };

function obedient(devices: number, changes: Partial<PoolOptions> = {}): RealValidator {
  const pool = openHarness(config, {
    command: fixtureCommand('obedient', String(devices)),
    environment: fixtureEnvironment,
    retryDelaysMs: [10],
    ...changes,
  });
  const validator = createRealValidator({ config, pool });
  return {
    ...validator,
    close: async () => {
      await validator.close();
      await pool.close();
    },
  };
}

function open(devices: number): RealValidator {
  const validator = obedient(devices);
  onTestFinished(() => validator.close());
  return validator;
}

function job(source: string, settings: Partial<Settings> = {}): Job {
  const problem = makeProblem({ set: 'starter', level: 1, number: 1, name: 'x', source: 'class Model: pass' });
  const candidate = makeCandidate({ source, problemId: problem.id, origin: { generator: 'gpt' } });
  return { problem, candidate, settings: settingsSchema.parse(settings) };
}

conforms('real, on a worker that pretends,', {
  open: async () => obedient(1),
  good: () => job('fine', { device: 'cuda' }),
  bad: () => job('compile-error', { device: 'cuda' }),
  slow: () => job('sleep:30'),
});

test('without a device a good kernel is built, and the verdict names the instrument', async () => {
  const verdict = await open(0).validate(job('fine'));
  expect(verdict).toMatchObject({
    kind: 'measured',
    fidelity: 'built',
    outcome: { status: 'built' },
    execution: null,
    build: { durationMs: 12.5 },
    provenance: { harness: '0.1.0', nvcc: '13.0.88', device: null, driver: null, arch: 'sm_90' },
  });
  expect(verdict.provenance.durationMs).toBeGreaterThan(0);
});

test('on a device it is executed too, and the first build is the one that counts', async () => {
  const validator = open(1);
  expect(await validator.validate(job('fine', { device: 'cuda' }))).toMatchObject({
    fidelity: 'measured',
    outcome: { status: 'correct' },
    build: { durationMs: 12.5 },
    execution: { trials: 5 },
    provenance: { device: 'Test GPU', driver: '580.1' },
  });
  expect(await validator.validate(job('mismatch', { device: 'cuda' }))).toMatchObject({
    fidelity: 'measured',
    outcome: { status: 'mismatch', maxAbsError: 1.5 },
  });
  // What does not compile never sees the device.
  expect(await validator.validate(job('compile-error', { device: 'cuda' }))).toMatchObject({
    fidelity: 'built',
    outcome: { status: 'compile-error' },
    provenance: { device: null },
  });
});

test('in software it is executed without timing, and the verdict says emulated', async () => {
  const validator = open(0);
  expect(await validator.validate(job('fine', { device: 'cpu', small: true }))).toMatchObject({
    fidelity: 'emulated',
    outcome: { status: 'correct', timing: null },
    execution: { trials: 5 },
    provenance: { device: 'Test software', driver: null },
  });
  await expect(validator.validate(job('fails:unsupported', { device: 'cpu' }))).rejects.toMatchObject({
    code: 'unsupported',
    fix: expect.stringContaining('--device cuda'),
  });
});

test('a verdict of one device never stands for another', () => {
  const keys = (['cuda', 'cpu', 'none'] as const).map((device) => jobKey(job('fine', { device })));
  expect(new Set(keys).size).toBe(3);
});

test('a failing instrument throws, naming problem and candidate; it never becomes a verdict', async () => {
  const validator = open(0);
  const { hash } = job('dies').candidate;
  await expect(validator.validate(job('dies'))).rejects.toMatchObject({
    code: 'worker-died',
    message: expect.stringContaining(`starter/level1/1, candidate ${hash.slice(0, 12)} of gpt`),
  });
  await expect(validator.validate(job('fails:problem-broken'))).rejects.toMatchObject({ code: 'bad-input' });
  await expect(validator.validate(job('fine', { device: 'cuda' }))).rejects.toMatchObject({ code: 'device-missing' });
});

test('labelling goes on when workers die, and names the candidate that no worker survives', async () => {
  const validator = open(0);
  const store = LabelStore.open(join(home, 'labels.db'));
  onTestFinished(() => store.close());
  const marker = join(home, 'died');
  const sources = [
    ...Array.from({ length: 20 }, (_, index) => `sleep:0.05 kernel ${index}`),
    `dies-once:${marker}`,
    'dies',
    'compile-error',
  ];
  const jobs = sources.map((source) => job(source));
  const report = await collect({
    jobs,
    validator,
    store,
    concurrency: await validator.concurrency('none'),
  });
  expect(report).toMatchObject({ total: 23, labelled: 22, failed: 1 });
  expect(report.byStatus).toMatchObject({ built: 21, 'compile-error': 1 });
  expect(report.failures.map((failure) => failure.code)).toEqual(['worker-died']);
  expect(store.verify()).toEqual([]);
});

/** The harness itself, with a real compiler. */
const python = config.python;
const harness = existsSync(python) && existsSync(join(config.harnessFolder, 'kval_harness', '__main__.py'));

test.skipIf(!harness)(
  'a real kernel is really built, and found in the cache afterwards; a broken one is a compile error',
  async () => {
    // The shared cache holds the prepared headers; a number that was never built before makes the kernel a new one.
    const { buildCacheFolder } = readConfig();
    const validator = createRealValidator({ config: { ...config, buildCacheFolder } });
    onTestFinished(() => validator.close());
    const line = `y[i] = ${Date.now()}.0f * x[i];`;
    const good = await validator.validate(kernel(line));
    expect(good.outcome).toEqual({ status: 'built' });
    expect(good.build?.extensions[0]).toMatchObject({ cached: false, path: 'fast' });
    expect(good.build?.extensions[0]?.kernels[0]?.registers).toBeGreaterThan(0);
    expect(good.provenance.nvcc).toMatch(/^\d+\.\d+/);
    const again = await validator.validate(kernel(line));
    expect(again.outcome).toEqual({ status: 'built' });
    expect(again.build?.extensions[0]?.cached).toBe(true);

    const bad = await validator.validate(kernel(line, 'torch::Tensor walk(torch::Tensor x);'));
    expect(bad.outcome).toMatchObject({ status: 'compile-error', stage: 'rules' });
    const lost = validator.validate(kernel('y[i] = z[i];', undefined, 'fast'));
    await expect(lost).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining('"z" is undefined'),
    });
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`kval-scratch-${process.pid}-`))).toEqual([]);
  },
  300_000,
);

function kernel(
  line: string,
  declaration = 'torch::Tensor run(torch::Tensor x);',
  buildPath: 'auto' | 'fast' = 'auto',
): Job {
  const starter = join(config.starterFolder, 'level1', '7_ReLU.py');
  const problem = makeProblem({
    set: 'starter',
    level: 1,
    number: 7,
    name: 'ReLU',
    source: readFileSync(starter, 'utf8'),
  });
  const source = `import torch
from torch.utils.cpp_extension import load_inline
cuda = r"""
#include <torch/extension.h>
__global__ void twice(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) { ${line} }
}
torch::Tensor run(torch::Tensor x) {
  auto y = torch::empty_like(x);
  int n = x.numel();
  twice<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
  return y;
}
"""
extension = load_inline(name="twice", cpp_sources="${declaration}", cuda_sources=cuda, functions=["run"])
class ModelNew(torch.nn.Module):
    def forward(self, x):
        return extension.run(x)
`;
  const candidate = makeCandidate({ source, problemId: problem.id, origin: { generator: 'tests' } });
  return { problem, candidate, settings: settingsSchema.parse({ buildPath, small: true }) };
}

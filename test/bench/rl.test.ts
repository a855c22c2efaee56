import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { armsOf, optimist } from '../../bench/rl/arms.js';
import { type Action, allActions, problemNames, writeKernel } from '../../bench/rl/kernels.js';
import { renderCurves } from '../../bench/rl/page.js';
import { probabilityOf, reinforce, sampleAction, uniformPolicy } from '../../bench/rl/policy.js';
import { recordReal } from '../../bench/rl/recorded.js';
import { summarise } from '../../bench/rl/summary.js';
import { type Bench, jobOf, type Training, train } from '../../bench/rl/train.js';
import { LabelStore } from '../../src/labels/store.js';
import { makeProblem } from '../../src/problem.js';
import { seededRandom } from '../../src/report/intervals.js';
import { Recorded } from '../validator/recorded.js';

const folder = mkdtempSync(join(tmpdir(), 'kval-rl-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const careful: Action = { family: 'plain', schedule: 'wide', logic: 'careful', syntax: 'clean' };

test('every action writes a kernel of its own', () => {
  const texts = problemNames.flatMap((name) => allActions().map((action) => writeKernel(name, action)));
  expect(new Set(texts).size).toBe(problemNames.length * 96);
});

test('the policy is a distribution, and learns what is rewarded', () => {
  const random = seededRandom(1);
  let policy = uniformPolicy();
  expect(allActions().reduce((sum, action) => sum + probabilityOf(policy, action), 0)).toBeCloseTo(1);
  const good = (action: Action): boolean => action.logic === 'careful' && action.syntax === 'clean';
  for (let step = 0; step < 200; step += 1) {
    const group = Array.from({ length: 6 }, () => sampleAction(policy, random));
    policy = reinforce(
      policy,
      group.map((action) => ({ action, reward: good(action) ? 1 : 0 })),
      3,
    );
  }
  const mass = allActions()
    .filter(good)
    .reduce((sum, action) => sum + probabilityOf(policy, action), 0);
  expect(mass).toBeGreaterThan(0.9);
});

test('a group in which all went equally well teaches nothing', () => {
  const random = seededRandom(2);
  const group = Array.from({ length: 6 }, () => ({ action: sampleAction(uniformPolicy(), random), reward: 0.7 }));
  for (const logit of Object.values(reinforce(uniformPolicy(), group, 3).logits).flat()) expect(logit).toBeCloseTo(0);
});

test('what is remembered costs what it cost when it was measured', async () => {
  const { bench, harness } = open('bill');
  const real = recordReal(harness, bench.store);
  const job = jobOf(bench, '7_ReLU', careful);
  const build = { ...job, settings: { ...job.settings, device: 'none' as const } };
  // Each answer of this harness took one millisecond: a build and an execution.
  await real.validate(job);
  expect(real.bill()).toEqual({ coldMs: 2, onceMs: 2, builds: 1, executions: 1 });
  real.next();
  await real.validate(build);
  await real.validate(job);
  expect(real.bill()).toEqual({ coldMs: 4, onceMs: 2, builds: 2, executions: 2 });
  expect(harness.asked).toHaveLength(2);
  const another = recordReal(harness, bench.store);
  await another.validate(job);
  expect(another.bill()).toEqual({ coldMs: 2, onceMs: 2, builds: 1, executions: 1 });
  expect(harness.asked).toHaveLength(2);
});

test('all judges train an agent each, the same way every time, and are drawn', async () => {
  const { bench } = open('train');
  const runs = [];
  for (const arm of armsOf(4)) {
    const training: Training = { arm, seed: 1, steps: 4, group: 3, rate: 3, checkpoints: 2, samplesAtCheckpoint: 4 };
    const run = await train(training, bench, () => {});
    expect(run).toMatchObject({ arm: arm.name, verdicts: 12, steps: { length: 4 } });
    expect(run.checkpoints.map(({ step }) => step)).toEqual([2, 4]);
    expect((await train(training, bench, () => {})).checkpoints).toEqual(run.checkpoints);
    runs.push(run);
  }
  const [real, simulated, warmUp] = runs;
  expect(real).toMatchObject({ predicted: 0, builds: 12, executions: 12 });
  expect(simulated).toMatchObject({ predicted: 12, builds: 0, executions: 0 });
  expect(warmUp).toMatchObject({ predicted: 3, builds: 9 });
  const about = {
    kval: '0.1.0',
    command: 'x',
    machine: { cpu: 'c', cores: 2 },
    simulator: { model: 'm', trainedOn: 't', labelledMs: 1 },
    settings: { steps: 4, seeds: 1, group: 3, problems: ['7_ReLU'], kernels: 48 },
  };
  const page = renderCurves(runs, summarise(runs), about);
  expect(page.match(/<svg[^>]*class="plot"/g)).toHaveLength(3);
  expect(page).not.toMatch(/NaN|undefined|<script/);
});

function open(name: string): { bench: Bench; harness: Recorded } {
  const store = LabelStore.open(join(folder, `${name}.db`));
  onTestFinished(() => store.close());
  const harness = new Recorded();
  const problem = makeProblem({ set: 'starter', level: 1, number: 7, name: 'ReLU', source: 'class Model: pass' });
  const problems = new Map([['7_ReLU', problem] as const]);
  return {
    bench: {
      problems,
      real: harness,
      store,
      simulator: optimist,
      signal: AbortSignal.timeout(60_000),
      allowed: () => true,
    },
    harness,
  };
}

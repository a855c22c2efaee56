import { expect, test } from 'vitest';
import { type Job, makeCandidate, settingsSchema } from '../../src/candidate.js';
import { makeProblem } from '../../src/problem.js';
import { seededRandom } from '../../src/report/intervals.js';
import { confidenceOf, type Prediction, type PredictOptions, type Simulator } from '../../src/simulator/simulator.js';
import { type Drift, watchDrift } from '../../src/validator/drift.js';
import { createHybridValidator, type HybridOptions } from '../../src/validator/hybrid.js';
import { createSimulatedValidator } from '../../src/validator/simulated.js';
import { decisionSchema, type Measured, type Predicted, predictedSchema } from '../../src/verdict.js';
import { Recorded } from './recorded.js';

const bounds = { compiledBelow: null, correctBelow: 0.9, window: 100, leastPairs: 20 };

test('a simulator that lies from the first kernel on is found out within 40 audits, in 99 of 100 runs', async () => {
  const found = await share(300, (random) => auditsUntil(watchDrift(bounds), 40, () => random() < 0.5) !== null);
  expect(found).toBeGreaterThanOrEqual(0.99);
});

test('one that begins to lie after 300 good answers is found out within 60 audits, in 99 of 100 runs', async () => {
  const found = await share(300, (random) => {
    const drift = watchDrift(bounds);
    if (auditsUntil(drift, 300, () => random() < 0.98) !== null) return false;
    return auditsUntil(drift, 60, () => random() < 0.5, 300) !== null;
  });
  expect(found).toBeGreaterThanOrEqual(0.99);
});

test('one that agrees 97 times in 100 is suspected in at most 2 of 100 runs of 1,000 audits', async () => {
  const suspected = await share(100, (random) => auditsUntil(watchDrift(bounds), 1000, () => random() < 0.97) !== null);
  expect(suspected).toBeLessThanOrEqual(0.02);
});

test('trust comes back only when agreement is surely not below the bound, from kernels since then', () => {
  const drift = watchDrift(bounds);
  expect(auditsUntil(drift, 40, () => false)).toBe(20);
  expect(drift.state()).toEqual({ escalating: true, compiled: null, correct: null });
  // 34 of 34: Wilson's lower limit is 0.8985; 35 of 35: 0.9011.
  for (let count = 0; count < 34; count += 1) drift.add(...pair(1000 + count, true));
  expect(drift.state()).toMatchObject({ escalating: true, correct: { pairs: 34, agreed: 34 } });
  drift.add(...pair(2000, true));
  expect(drift.state().escalating).toBe(false);
});

test('a simulator as good as the bound is not trusted again by a lucky few', async () => {
  const recovered = await share(200, (random) => {
    const drift = watchDrift(bounds);
    auditsUntil(drift, 40, () => false);
    for (let count = 0; count < 100; count += 1) drift.add(...pair(1000 + count, random() < 0.8));
    return !drift.state().escalating;
  });
  expect(recovered).toBeLessThanOrEqual(0.01);
});

test('a kernel that comes again and again counts once, by its latest answer', () => {
  const drift = watchDrift(bounds);
  for (let count = 0; count < 200; count += 1) drift.add(...pair(count % 10, false));
  expect(drift.state()).toMatchObject({ escalating: false, correct: { pairs: 10, agreed: 0 } });
  for (let count = 0; count < 10; count += 1) drift.add(...pair(count, true));
  expect(drift.state()).toMatchObject({ correct: { pairs: 10, agreed: 10 } });
});

test('the window forgets, and each question has a bound of its own', () => {
  const drift = watchDrift({ ...bounds, correctBelow: null, compiledBelow: 0.9, window: 50 });
  for (let count = 0; count < 120; count += 1) drift.add(...pair(count, count >= 60));
  expect(drift.state()).toMatchObject({
    escalating: false,
    correct: { pairs: 50, agreed: 50 },
    compiled: { agreed: 50 },
  });
});

/** Says that all is well, whatever it is shown, once it has turned. */
class Turning implements Simulator {
  readonly engine = 'turning';
  readonly model = 'm';
  readonly calibration = 'c';
  honest = true;
  asked = 0;

  async predict(job: Job, options: PredictOptions = {}): Promise<Prediction> {
    this.asked += 1;
    const fine = this.honest !== /broken/.test(job.candidate.source);
    const probabilities = { compiled: options.built === true || fine ? 0.99 : 0.01, correct: fine ? 0.98 : 0.02 };
    return { probabilities, runtimeMs: null, speedup: null, confidence: confidenceOf(probabilities) };
  }

  async close(): Promise<void> {}
}

test('a hybrid escalates everything while the simulator lies, says so in every verdict, and recovers', async () => {
  const policy = { audit: { share: 0.3 }, drift: { ...bounds, compiledBelow: 0.9 } };
  const simulator = new Turning();
  const hybrid = hybridOf(simulator, policy);
  await judge(hybrid, 0, 200);
  expect(hybrid.state()).toMatchObject({ verdicts: 200, drift: { escalating: false } });
  expect(hybrid.state().predicted).toBeGreaterThan(100);

  simulator.honest = false;
  await judge(hybrid, 200, 500);
  expect(hybrid.state().drift?.escalating).toBe(true);
  const lying = await judge(hybrid, 500, 520);
  for (const verdict of lying) {
    expect(verdict.kind).toBe('measured');
    expect(decisionSchema.parse(verdict.decision)).toMatchObject({
      policy: ['audit 0.3', 'drift compiled below 0.9 or correct below 0.9'],
      reason: 'the simulator has drifted from the harness',
      drift: { escalating: true },
    });
    expect(predictedSchema.parse(verdict.decision?.audit).jobKey).toBe(verdict.jobKey);
  }

  simulator.honest = true;
  await judge(hybrid, 520, 720);
  expect(hybrid.state().drift).toMatchObject({ escalating: false });
  expect((await judge(hybrid, 720, 760)).some(({ kind }) => kind === 'predicted')).toBe(true);
  const { measured, predicted, verdicts } = hybrid.state();
  expect(measured + predicted).toBe(verdicts);
});

test('answers that would not have been taken say nothing about drift', async () => {
  const simulator = new Turning();
  simulator.honest = false;
  const unsure = hybridOf(simulator, { escalate: { confidenceBelow: 0.999 }, audit: { share: 1 }, drift: bounds });
  await judge(unsure, 0, 60);
  expect(unsure.state()).toMatchObject({ audits: 60, drift: { escalating: false, correct: null } });
});

test('where every kernel is built first, audits ask what would have been asked: given the build', async () => {
  const simulator = new Turning();
  const hybrid = hybridOf(simulator, { buildFirst: true, audit: { share: 1 }, drift: bounds });
  const verdicts = await judge(hybrid, 0, 30);
  const failed = verdicts.filter((one) => one.kind === 'measured' && one.outcome.status === 'compile-error');
  expect(failed).toHaveLength(10);
  for (const one of verdicts) {
    expect(one.decision?.audit?.fidelity).toBe(failed.includes(one) ? 'predicted' : 'built');
  }
  expect(hybrid.state().drift?.correct).toMatchObject({ pairs: 20, agreed: 20 });
});

test('a policy whose drift nobody could see, or nobody could recover from, is refused', () => {
  const refused = (policy: HybridOptions['policy'], why: string): void =>
    expect(() => hybridOf(new Turning(), policy)).toThrow(why);
  refused({ drift: bounds }, 'give audit.share');
  refused({ audit: { share: 0.1 }, drift: { ...bounds, correctBelow: 0.99 } }, 'too small');
  refused({ audit: { share: 0.1 }, drift: { window: 100 } }, 'drift needs a bound');
  refused({ audit: { share: 0.1 }, drift: { ...bounds, leastPairs: 101 } }, 'leastPairs');
});

function hybridOf(simulator: Simulator, policy: HybridOptions['policy']) {
  return createHybridValidator({ real: new Recorded(), simulated: createSimulatedValidator({ simulator }), policy });
}

/** Every third kernel does not compile. */
async function judge(hybrid: ReturnType<typeof hybridOf>, from: number, to: number) {
  const verdicts = [];
  for (let count = from; count < to; count += 1) {
    const problem = makeProblem({ set: 'starter', level: 1, number: 1, name: 'one', source: 'class Model: pass' });
    const source = `# ${count % 3 === 0 ? 'broken' : 'fine'} ${count}`;
    const candidate = makeCandidate({ source, problemId: problem.id });
    verdicts.push(await hybrid.validate({ problem, candidate, settings: settingsSchema.parse({ device: 'cuda' }) }));
  }
  return verdicts;
}

/** How many audits it takes until everything is escalated; null: more than `most`. */
function auditsUntil(drift: Drift, most: number, agrees: () => boolean, from = 0): number | null {
  for (let count = 1; count <= most; count += 1) {
    drift.add(...pair(from + count, agrees()));
    if (drift.state().escalating) return count;
  }
  return null;
}

async function share(runs: number, holds: (random: () => number) => boolean): Promise<number> {
  let held = 0;
  for (let seed = 1; seed <= runs; seed += 1) held += holds(seededRandom(seed)) ? 1 : 0;
  return held / runs;
}

function pair(number: number, agrees: boolean): [Measured, Predicted] {
  const provenance = {
    harness: '',
    python: '',
    torch: null,
    cuda: null,
    nvcc: null,
    gxx: null,
    device: null,
    driver: null,
    arch: 'sm_90',
    startedAt: '2026-01-01T00:00:00Z',
    durationMs: 1,
  };
  const common = { jobKey: `${number}`, build: null, execution: null, provenance } as const;
  const outcome = { status: 'correct', timing: null, maxAbsError: 0, maxRelError: 0 } as const;
  const said = agrees ? 0.9 : 0.1;
  return [
    { kind: 'measured', fidelity: 'emulated', outcome, ...common },
    {
      kind: 'predicted',
      fidelity: 'predicted',
      jobKey: `${number}`,
      probabilities: { compiled: said, correct: said },
      runtimeMs: null,
      speedup: null,
      confidence: 0.9,
      simulator: { engine: 'e', model: 'm', calibration: 'c' },
      durationMs: 1,
    },
  ];
}

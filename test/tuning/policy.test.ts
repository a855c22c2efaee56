import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, test } from 'vitest';
import { type Job, makeCandidate, settingsSchema } from '../../src/candidate.js';
import { readConfig } from '../../src/config.js';
import { Kval } from '../../src/kval.js';
import { makeProblem } from '../../src/problem.js';
import { seededRandom } from '../../src/report/intervals.js';
import { confidenceOf, type Prediction, type PredictOptions, type Simulator } from '../../src/simulator/simulator.js';
import {
  chooseThresholds,
  crossFit,
  endOf,
  frontierOf,
  type JudgedKernel,
  type TunedMode,
  tunedModes,
} from '../../src/tuning/frontier.js';
import { bestMode, policyFileOf, reached, tunePolicies } from '../../src/tuning/policy.js';
import { createHybridValidator } from '../../src/validator/hybrid.js';
import { policyFileSchema, readPolicyFile } from '../../src/validator/policy.js';
import { createSimulatedValidator } from '../../src/validator/simulated.js';
import { Recorded } from '../validator/recorded.js';

const folder = mkdtempSync(join(tmpdir(), 'kval-policy-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(tunedModes)('the frontier of %s', (mode) => {
  it('is what trying every threshold finds', () => {
    for (let seed = 1; seed <= 25; seed += 1) {
      const kernels = drawn(seed, 14);
      const tried = tryAll(mode, kernels);
      for (const point of frontierOf(mode, kernels)) {
        const wrong = Math.round(point.wrong * kernels.length);
        const best = Math.max(...tried.filter((one) => one.wrong <= wrong).map((one) => one.noExecution));
        expect(Math.round(point.noExecution * kernels.length)).toBe(best);
        expect(replay(mode, kernels, point.thresholds)).toEqual({ wrong, noExecution: best });
      }
    }
  });

  it('chooses the thresholds that leave the fewest executions within the bound of (wrong + thresholds) / (n + 1)', () => {
    for (let seed = 1; seed <= 25; seed += 1) {
      const kernels = drawn(seed, 19);
      const count = mode === 'build-first-two' ? 2 : 1;
      for (const maxError of [0.01, 0.05, 0.1, 0.2, 0.5]) {
        const chosen = replay(mode, kernels, chooseThresholds(mode, kernels, maxError));
        const allowed = tryAll(mode, kernels).filter((one) => one.wrong + count <= maxError * 20 + 1e-9);
        const best = Math.max(0, ...allowed.map((one) => one.noExecution), replay(mode, kernels, []).noExecution);
        expect(chosen.noExecution).toBe(best);
      }
    }
  });

  it('keeps the wanted error on kernels that it was not chosen on, on average', () => {
    let wrong = 0;
    for (let seed = 1; seed <= 40; seed += 1)
      wrong += crossFit(mode, drawn(seed, 400), { maxError: 0.05, folds: 5 }).wrong.value;
    expect(wrong / 40).toBeLessThanOrEqual(0.05);
    expect(wrong / 40).toBeGreaterThan(0.03);
  });
});

test('no threshold is judged by a problem that it was chosen on', () => {
  const kernels = drawn(3, 200);
  const folds = crossFit('confidence', kernels, { maxError: 0.05, folds: 5 });
  // A problem on which the simulator is sure and wrong moves the thresholds of all folds but its own.
  const traps = Array.from({ length: 30 }, () => ({ ...certain(true), problem: 'trap', correct: false }));
  const trapped = crossFit('confidence', [...kernels, ...traps], { maxError: 0.05, folds: 5 });
  const moved = trapped.thresholds.filter(([threshold = 0]) => threshold > 0.999);
  expect(moved).toHaveLength(4);
  expect(folds.thresholds.every(([threshold = 0]) => threshold < 0.999)).toBe(true);
  expect(trapped.wrong.value).toBeGreaterThanOrEqual(30 / 230);
  expect(trapped.wrong.interval?.high).toBeGreaterThan(trapped.wrong.value);
});

describe('the tuned policy', () => {
  const kernels = drawn(7, 300);
  const tuned = tunePolicies([{ split: 'problem', kernels, leftOut: 0 }], { maxError: 0.05, source: 'a test' });
  const [split] = tuned.splits;
  if (split === undefined) throw new Error('a split was given');

  it.each(split.modes.map((mode) => [mode.mode, mode] as const))(
    'makes a hybrid ask the harness as often as was promised: %s',
    async (name, mode) => {
      const path = join(folder, `${name}.json`);
      writeFileSync(path, JSON.stringify(policyFileOf(tuned, split, mode)));
      const policy = await readPolicyFile(path);
      const simulated = createSimulatedValidator({ simulator: new Replayed(kernels) });
      const hybrid = createHybridValidator({ real: new Recorded(), simulated, policy });
      const thresholds = chooseThresholds(name, kernels, 0.05);
      for (const [index, kernel] of kernels.entries()) {
        const verdict = await hybrid.validate(jobOf(index, kernel));
        const executed = verdict.kind === 'measured' && verdict.outcome.status === 'correct';
        const rebuilt = verdict.kind === 'measured' && name === 'confidence';
        expect(executed || rebuilt).toBe(endOf(name, kernel, thresholds).executed);
      }
    },
  );

  it('is the one with the fewest executions among those that are good enough', () => {
    const best = bestMode(split, 0.5);
    expect(best.heldOut.noExecution.value).toBe(
      Math.max(...split.modes.map(({ heldOut }) => heldOut.noExecution.value)),
    );
    expect(bestMode(split, 0).heldOut.wrong.value).toBe(
      Math.min(...split.modes.map(({ heldOut }) => heldOut.wrong.value)),
    );
  });
});

test('reached says whether the wanted is met, and whether the intervals leave no doubt', () => {
  const kernels = drawn(5, 2000);
  const said = (maxError: number, aim: number): string[] =>
    tunePolicies([{ split: 'problem', kernels, leftOut: 0 }], { maxError, aim, source: 'a test' }).splits.flatMap(
      (one) => one.modes.map((mode) => reached(mode, maxError)),
    );
  expect(said(0.1, 0.05)).toContain('surely');
  expect(said(0.0001, 0.0001)).toEqual(['no', 'no', 'no']);
});

test('from a file of predictions to a policy file, a report and a page', async () => {
  const lines = drawn(11, 240).map((kernel, index) =>
    JSON.stringify({
      candidate: `c${index}`,
      generator: 'g',
      split: index % 2 === 0 ? 'problem' : 'generator',
      fold: index % 5,
      ...kernel,
    }),
  );
  const unknown = {
    candidate: 'u',
    generator: 'g',
    split: 'problem',
    problem: 'p',
    compiled: true,
    correct: null,
    pCompiled: 1,
    pCorrect: 0.4,
  };
  const file = join(folder, 'predictions.jsonl');
  writeFileSync(file, `${lines.join('\n')}\n${JSON.stringify(unknown)}\n`);
  const kval = new Kval({ ...readConfig(), home: folder });
  const written = await kval.tunePolicy({ predictions: file, maxError: 0.1, out: join(folder, 'tuned.json') });
  await kval.close();
  expect(written.rows).toHaveLength(6);
  expect(written.verdicts[0]).toContain('(120 kernels of 10 problems, 1 left out)');
  expect(policyFileSchema.parse(JSON.parse(readFileSync(written.files.policy, 'utf8'))).evidence).toMatchObject({
    split: 'problem',
  });
  const page = readFileSync(written.files.html, 'utf8');
  expect(page.match(/<svg[^>]*class="plot"/g)).toHaveLength(2);
  expect(page).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)|NaN|undefined/);

  writeFileSync(file, `${lines[0]}\n{"candidate": "x"}\n`);
  await expect(
    kval.tunePolicy({ predictions: file, maxError: 0.1, out: join(folder, 'x.json') }),
  ).rejects.toMatchObject({
    code: 'bad-input',
    message: expect.stringContaining('line 2'),
  });
});

/** Kernels of 20 problems, and a simulator whose probabilities are right on average and coarse enough to tie. */
function drawn(seed: number, count: number): JudgedKernel[] {
  const random = seededRandom(seed);
  const probability = (): number => Math.round(20 * (random() < 0.5 ? random() ** 3 : 1 - random() ** 3)) / 20;
  return Array.from({ length: count }, (_, index) => {
    const pCompiled = Math.max(0.05, probability());
    const pCorrect = pCompiled * probability();
    const compiled = random() < pCompiled;
    const correct = compiled && random() < pCorrect / pCompiled;
    return { problem: `p${index % 20}`, compiled, correct, pCompiled, pCorrect };
  });
}

function certain(yes: boolean): JudgedKernel {
  const p = yes ? 1 : 0;
  return { problem: 'sure', compiled: yes, correct: yes, pCompiled: p, pCorrect: p };
}

function replay(mode: TunedMode, kernels: readonly JudgedKernel[], thresholds: readonly number[]) {
  const ends = kernels.map((kernel) => endOf(mode, kernel, thresholds));
  return {
    wrong: ends.filter(({ wrong }) => wrong).length,
    noExecution: ends.filter(({ executed }) => !executed).length,
  };
}

/** Every threshold that tells any two kernels apart, and every pair of them where a mode has two. */
function tryAll(mode: TunedMode, kernels: readonly JudgedKernel[]) {
  const values = new Set([Number.POSITIVE_INFINITY]);
  for (const { pCompiled, pCorrect } of kernels) {
    for (const p of [pCompiled, pCorrect, Math.min(1, pCorrect / pCompiled)]) values.add(Math.max(p, 1 - p));
  }
  const all = [...values];
  const tuples = mode === 'build-first-two' ? all.flatMap((a) => all.map((b) => [a, b])) : all.map((a) => [a]);
  return tuples.map((thresholds) => replay(mode, kernels, thresholds));
}

/** Answers about the kernel whose number is in the text. */
class Replayed implements Simulator {
  readonly engine = 'replayed';
  readonly model = 'm';
  readonly calibration = 'c';
  readonly #kernels: readonly JudgedKernel[];

  constructor(kernels: readonly JudgedKernel[]) {
    this.#kernels = kernels;
  }

  async predict(job: Job, { built = false }: PredictOptions = {}): Promise<Prediction> {
    const { pCompiled, pCorrect } = this.#kernels[Number(/\d+/.exec(job.candidate.source)?.[0])] ?? certain(false);
    const probabilities = built
      ? { compiled: 1, correct: Math.min(1, pCorrect / pCompiled) }
      : { compiled: pCompiled, correct: pCorrect };
    return { probabilities, runtimeMs: null, speedup: null, confidence: confidenceOf(probabilities) };
  }

  async close(): Promise<void> {}
}

function jobOf(index: number, { compiled }: JudgedKernel): Job {
  const problem = makeProblem({ set: 'starter', level: 1, number: 1, name: 'one', source: 'class Model: pass' });
  const candidate = makeCandidate({ source: `# ${index} ${compiled ? 'fine' : 'broken'}`, problemId: problem.id });
  return { problem, candidate, settings: settingsSchema.parse({ device: 'cuda' }) };
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Job, makeCandidate, settingsSchema } from '../../src/candidate.js';
import { makeProblem } from '../../src/problem.js';
import { openEmbeddedSimulator } from '../../src/simulator/embedded.js';
import type { Simulator } from '../../src/simulator/simulator.js';
import { createHybridValidator } from '../../src/validator/hybrid.js';
import { createSimulatedValidator, predictJobs } from '../../src/validator/simulated.js';
import { kernelText } from '../dataset/examples.js';
import { writeHandModel } from '../simulator/hand-model.js';
import { conforms } from './conformance.js';
import { Recorded } from './recorded.js';

const folder = mkdtempSync(join(tmpdir(), 'kval-simulated-'));
beforeAll(() => writeHandModel(folder));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const open = async () => createSimulatedValidator({ simulator: await openEmbeddedSimulator({ folder }) });
const good = (): Job => jobOf(kernelText(1));
const bad = (): Job => jobOf(kernelText(1, { broken: true }));

conforms('simulated, on an embedded model,', { open, good, bad });

for (const policy of [
  { escalate: { confidenceBelow: 0.8 } },
  { buildFirst: true },
  { audit: { share: 1 } },
  { warmUp: { simulatedSteps: 0, ofSteps: 1 } },
  { audit: { share: 1 }, drift: { compiledBelow: 0.8 } },
]) {
  conforms(`hybrid (${Object.keys(policy).join()})`, {
    open: async () => createHybridValidator({ real: new Recorded(), simulated: await open(), policy }),
    good,
    bad,
  });
}

test('it says what the model says, as a prediction with its names', async () => {
  const validator = await open();
  const sound = await validator.validate(good());
  const broken = await validator.validate(bad());
  const built = await validator.predict(bad(), { built: true });
  expect(sound).toMatchObject({
    kind: 'predicted',
    fidelity: 'predicted',
    simulator: { engine: 'embedded' },
    speedup: null,
  });
  expect(sound.probabilities.compiled).toBeCloseTo(1 / (1 + Math.exp(-3)));
  expect(sound.probabilities.correct).toBeCloseTo(0.75 / (1 + Math.exp(-3)));
  expect(sound.confidence).toBeCloseTo(0.75 / (1 + Math.exp(-3)));
  expect(sound.runtimeMs).toEqual({ low: 1, median: expect.closeTo(2), high: expect.closeTo(4) });
  expect(broken.probabilities.compiled).toBeCloseTo(1 / (1 + Math.exp(3)));
  expect(built).toMatchObject({ fidelity: 'built', probabilities: { compiled: 1, correct: expect.closeTo(0.75) } });
});

test('a simulator that breaks is an error of the instrument, with its cause', async () => {
  const broken: Simulator = {
    engine: 'broken',
    model: '',
    calibration: '',
    predict: () => Promise.reject(new Error('lost')),
    close: async () => {},
  };
  await expect(createSimulatedValidator({ simulator: broken }).validate(good())).rejects.toMatchObject({
    name: 'KvalError',
    message: 'lost',
  });
});

test('a list of jobs is predicted in order, each with its time', async () => {
  const jobs = [good(), bad(), good()];
  const said: boolean[] = [];
  for await (const { job, predicted } of predictJobs(await openEmbeddedSimulator({ folder }), jobs)) {
    expect(job).toBe(jobs[said.length]);
    expect(predicted.durationMs).toBeGreaterThan(0);
    said.push(predicted.probabilities.compiled > 0.5);
  }
  expect(said).toEqual([true, false, true]);
});

function jobOf(source: string): Job {
  const problem = makeProblem({ set: 'starter', level: 1, number: 1, name: 'relu', source: 'torch.relu' });
  return {
    problem,
    candidate: makeCandidate({ source, problemId: problem.id }),
    settings: settingsSchema.parse({ device: 'cuda' }),
  };
}

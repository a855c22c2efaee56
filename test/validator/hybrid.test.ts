import { describe, expect, it } from 'vitest';
import { type Job, jobKey, makeCandidate, settingsSchema } from '../../src/candidate.js';
import { KvalError } from '../../src/errors.js';
import { makeProblem } from '../../src/problem.js';
import { confidenceOf, type Prediction, type PredictOptions, type Simulator } from '../../src/simulator/simulator.js';
import { createHybridValidator, type HybridOptions } from '../../src/validator/hybrid.js';
import { createSimulatedValidator } from '../../src/validator/simulated.js';
import { predictedSchema } from '../../src/verdict.js';
import { builtKernel } from '../simulator/builds.js';
import { Recorded } from './recorded.js';

/** Says what it is told to say; what it was asked is kept. */
class Scripted implements Simulator {
  readonly engine = 'scripted';
  readonly model = 'm';
  readonly calibration = 'c';
  readonly asked: PredictOptions[] = [];
  closed = 0;
  readonly #compiled: number;
  readonly #correct: number;
  readonly #speedup: number | null;

  constructor(compiled: number, correct: number, speedup: number | null = null) {
    this.#compiled = compiled;
    this.#correct = correct;
    this.#speedup = speedup;
  }

  async predict(_job: Job, options: PredictOptions = {}): Promise<Prediction> {
    this.asked.push(options);
    const probabilities = { compiled: options.built === true ? 1 : this.#compiled, correct: this.#correct };
    return { probabilities, runtimeMs: null, speedup: this.#speedup, confidence: confidenceOf(probabilities) };
  }

  async close(): Promise<void> {
    this.closed += 1;
  }
}

function hybrid(policy: HybridOptions['policy'], simulator: Simulator = new Scripted(0.95, 0.9)) {
  const real = new Recorded();
  return {
    real,
    simulator,
    validator: createHybridValidator({ real, simulated: createSimulatedValidator({ simulator }), policy }),
  };
}

describe('createHybridValidator', () => {
  it('asks the simulator first and the harness after the warm-up, by step', async () => {
    const { validator } = hybrid({ warmUp: { simulatedSteps: 30, ofSteps: 100 } });
    const early = await validator.validate(jobOf('a'), { step: 29 });
    const late = await validator.validate(jobOf('a'), { step: 30 });
    expect([early.kind, late.kind]).toEqual(['predicted', 'measured']);
    expect(early.decision).toEqual({
      policy: ['warm-up 30 of 100'],
      step: 29,
      reason: 'the simulator is sure enough',
      audit: null,
    });
    expect(late.decision).toMatchObject({ step: 30, reason: 'warm-up is over' });
  });

  it('counts verdicts where nobody names the step', async () => {
    const { validator } = hybrid({ warmUp: { simulatedSteps: 2, ofSteps: 4, verdictsPerStep: 3 } });
    const kinds: string[] = [];
    for (let count = 0; count < 8; count += 1) kinds.push((await validator.validate(jobOf(`${count}`))).kind);
    expect(kinds).toEqual([...Array.from({ length: 6 }, () => 'predicted'), 'measured', 'measured']);
  });

  it('measures what the simulator is not sure of, and keeps what it said', async () => {
    const policy = { escalate: { confidenceBelow: 0.8 } };
    const unsure = await hybrid(policy, new Scripted(0.95, 0.6)).validator.validate(jobOf('a'));
    const sure = await hybrid(policy, new Scripted(0.95, 0.9)).validator.validate(jobOf('a'));
    expect(unsure).toMatchObject({
      kind: 'measured',
      decision: { reason: 'the simulator is unsure', audit: { confidence: 0.6 } },
    });
    expect(sure).toMatchObject({ kind: 'predicted', decision: { audit: null } });
  });

  it('has thresholds of their own for each question and answer', async () => {
    const correct = { above: 0.05, below: 0.8 };
    const kinds = async (compiled: number, probability: number, policy: HybridOptions['policy']) =>
      (await hybrid(policy, new Scripted(compiled, probability)).validator.validate(jobOf('a'))).kind;
    expect(await kinds(0.9, 0.04, { escalate: { correct } })).toBe('predicted');
    expect(await kinds(0.9, 0.06, { escalate: { correct } })).toBe('measured');
    expect(await kinds(0.9, 0.79, { escalate: { correct } })).toBe('measured');
    expect(await kinds(0.9, 0.8, { escalate: { correct } })).toBe('predicted');
    expect(await kinds(0.9, 0.8, { escalate: { correct, compiled: { above: 0.1, below: 0.95 } } })).toBe('measured');
    expect(await kinds(0.5, 0.9, { buildFirst: true, escalate: { correct } })).toBe('predicted');
    expect(() => hybrid({ escalate: { correct: { above: 0.6, below: 0.8 } } })).toThrow('one half');
  });

  it('does not take a great speed-up on trust', async () => {
    const policy = { escalate: { confidenceBelow: 0, speedupAbove: 3 } };
    const [modest, great] = [new Scripted(0.99, 0.99, 2.9), new Scripted(0.99, 0.99, 3.1)];
    expect((await hybrid(policy, modest).validator.validate(jobOf('a'))).kind).toBe('predicted');
    expect((await hybrid(policy, great).validator.validate(jobOf('a'))).kind).toBe('measured');
  });

  it('audits the same share of jobs in every run, with both answers', async () => {
    const audited = async (): Promise<string[]> => {
      const { validator } = hybrid({ audit: { share: 0.2 } });
      const names: string[] = [];
      for (let count = 0; count < 300; count += 1) {
        const verdict = await validator.validate(jobOf(`${count}`));
        expect(verdict.kind === 'measured').toBe(verdict.decision?.reason === 'audit');
        if (verdict.kind === 'measured')
          names.push(`${count} ${predictedSchema.parse(verdict.decision?.audit).probabilities.compiled}`);
      }
      return names;
    };
    const first = await audited();
    expect(first.length / 300).toBeGreaterThan(0.13);
    expect(first.length / 300).toBeLessThan(0.27);
    expect(await audited()).toEqual(first);
  });

  it('compiles first: a failed build is measured, the rest of a good one is predicted', async () => {
    const { validator, real } = hybrid({ buildFirst: true });
    const broken = jobOf('broken');
    const failed = await validator.validate(broken);
    expect(failed).toMatchObject({
      kind: 'measured',
      jobKey: jobKey(broken),
      outcome: { status: 'compile-error' },
      decision: { reason: 'the build decided' },
    });
    const built = await validator.validate(jobOf('fine'));
    expect(built).toMatchObject({
      kind: 'predicted',
      fidelity: 'built',
      probabilities: { compiled: 1 },
      jobKey: jobKey(jobOf('fine')),
    });
    expect(real.asked.map((job) => job.settings.device)).toEqual(['none', 'none']);
    const buildJob = jobOf('fine', 'none');
    expect(await validator.validate(buildJob)).toMatchObject({
      kind: 'measured',
      outcome: { status: 'built' },
      jobKey: jobKey(buildJob),
    });
  });

  it('tells the simulator what the build said, in audits too', async () => {
    const kernels = [{ name: 'k(float*)', ...builtKernel({ globalStore: 1 }) }];
    const parts = { name: 'e', path: 'fast', cached: false, key: 'k', durationMs: 1, fallbackReason: null } as const;
    const extensions = [{ ...parts, steps: [], kernels, diagnostics: [] }];
    for (const policy of [{ buildFirst: true }, { buildFirst: true, audit: { share: 1 } }]) {
      const simulator = new Scripted(0.9, 0.9);
      const { validator, real } = hybrid(policy, simulator);
      real.build = { durationMs: 1, probeMs: 1, extensions, warnings: [] };
      await validator.validate(jobOf('fine'));
      expect(simulator.asked).toMatchObject([
        { built: true, build: { kernels: [builtKernel({ globalStore: 1 })], warnings: {} } },
      ]);
    }
  });

  it('applies its policies together', async () => {
    const { validator, real } = hybrid(
      { warmUp: { simulatedSteps: 10, ofSteps: 20 }, escalate: { confidenceBelow: 0.8 }, buildFirst: true },
      new Scripted(0.5, 0.7),
    );
    const verdict = await validator.validate(jobOf('fine'), { step: 3 });
    expect(verdict).toMatchObject({
      kind: 'measured',
      fidelity: 'measured',
      decision: {
        policy: ['warm-up 10 of 20', 'escalate below 0.8', 'build-first'],
        step: 3,
        audit: { fidelity: 'built' },
      },
    });
    expect(real.asked.map((job) => job.settings.device)).toEqual(['none', 'cuda']);
  });

  it('does not cover for a simulator that is broken', async () => {
    class Broken extends Scripted {
      override async predict(): Promise<Prediction> {
        throw new KvalError('endpoint-failed', 'no answer');
      }
    }
    for (const policy of [{}, { escalate: { confidenceBelow: 1 } }, { audit: { share: 1 } }, { buildFirst: true }]) {
      const { validator } = hybrid(policy, new Broken(1, 1));
      await expect(validator.validate(jobOf('fine'))).rejects.toMatchObject({ code: 'endpoint-failed' });
    }
  });

  it('refuses a policy that cannot be', () => {
    expect(() => hybrid({ warmUp: { simulatedSteps: 3, ofSteps: 2 } })).toThrow(KvalError);
    expect(() => hybrid({ audit: { share: 2 } })).toThrow(KvalError);
  });

  it('closes both sides, once', async () => {
    const simulator = new Scripted(1, 1);
    const { validator, real } = hybrid({}, simulator);
    await validator.close();
    await validator.close();
    expect([real.closed, simulator.closed]).toEqual([1, 1]);
  });
});

function jobOf(text: string, device: 'cuda' | 'none' = 'cuda'): Job {
  const problem = makeProblem({ set: 'kernelbench', level: 1, number: 1, name: 'one.py', source: 'class Model: pass' });
  const candidate = makeCandidate({ source: `# ${text}`, problemId: problem.id });
  return { problem, candidate, settings: settingsSchema.parse({ device }) };
}

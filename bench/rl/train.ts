import { type Job, makeCandidate, settingsSchema } from '../../src/candidate.js';
import { KvalError } from '../../src/errors.js';
import type { Problem } from '../../src/problem.js';
import { seededRandom } from '../../src/report/intervals.js';
import type { Simulator } from '../../src/simulator/simulator.js';
import { compiledOf, correctOf, type Verdict } from '../../src/verdict.js';
import { type Arm, openArm } from './arms.js';
import { type Action, type ProblemName, writeKernel } from './kernels.js';
import { type Policy, reinforce, sampleAction, uniformPolicy } from './policy.js';
import { type RecordedReal, recordReal } from './recorded.js';

export interface Training {
  readonly arm: Arm;
  readonly seed: number;
  readonly steps: number;
  /** Kernels for each problem and step; they are each other's baseline. */
  readonly group: number;
  readonly rate: number;
  /** Real verdicts on fresh samples at so many points in the run, the end among them; not billed. */
  readonly checkpoints: number;
  readonly samplesAtCheckpoint: number;
}

export interface Step {
  /** Of one worker; `onceMs` where a store answers what was asked before. */
  readonly coldMs: number;
  readonly onceMs: number;
}

export interface Checkpoint {
  readonly step: number;
  /** Shares of the samples, by real verdicts. */
  readonly compiled: number;
  readonly correct: number;
}

export interface Run {
  readonly arm: string;
  readonly seed: number;
  readonly steps: readonly Step[];
  readonly checkpoints: readonly Checkpoint[];
  readonly verdicts: number;
  readonly predicted: number;
  readonly builds: number;
  readonly executions: number;
  /** Steps that began with everything escalated, for a simulator found to have drifted. */
  readonly driftedSteps: number;
}

export interface Bench {
  readonly problems: ReadonlyMap<ProblemName, Problem>;
  readonly real: Parameters<typeof recordReal>[0];
  readonly store: Parameters<typeof recordReal>[1];
  readonly simulator: Simulator;
  readonly signal: AbortSignal;
  /** Whether an agent may write this kernel; what it may not is drawn again. */
  readonly allowed: (name: ProblemName, action: Action) => boolean;
}

/** Trains one agent under one judge, and asks the harness what it has become. */
export async function train(training: Training, bench: Bench, onStep: (step: number) => void): Promise<Run> {
  const { arm, seed, steps, group, rate, checkpoints } = training;
  const { signal } = bench;
  const real = recordReal(bench.real, bench.store);
  const { validator, simulatedMs } = openArm(arm, real, bench.simulator);
  const judge = recordReal(bench.real, bench.store);
  const random = seededRandom(1000 * seed + 1);
  const policies = new Map<ProblemName, Policy>([...bench.problems.keys()].map((name) => [name, uniformPolicy()]));
  const took: Step[] = [];
  const seen: Checkpoint[] = [];
  let [verdicts, predicted, driftedSteps] = [0, 0, 0];
  for (let step = 0; step < steps; step += 1) {
    const before = { ...real.bill(), simulatedMs: simulatedMs() };
    let drifted = false;
    for (const [name, policy] of policies) {
      const samples = [];
      for (let count = 0; count < group; count += 1) {
        const action = draw(bench, name, policy, random);
        real.next();
        const verdict = await validator.validate(jobOf(bench, name, action), { step, signal });
        samples.push({ action, reward: rewardOf(verdict) });
        verdicts += 1;
        if (verdict.kind === 'predicted') predicted += 1;
        drifted ||= verdict.decision?.drift?.escalating === true;
      }
      policies.set(name, reinforce(policy, samples, rate));
    }
    if (drifted) driftedSteps += 1;
    const after = real.bill();
    const thinking = simulatedMs() - before.simulatedMs;
    took.push({ coldMs: after.coldMs - before.coldMs + thinking, onceMs: after.onceMs - before.onceMs + thinking });
    const due = Math.floor(((step + 1) * checkpoints) / steps) > Math.floor((step * checkpoints) / steps);
    if (due) seen.push({ step: step + 1, ...(await examine(policies, judge, training, bench)) });
    onStep(step + 1);
  }
  const { builds, executions } = real.bill();
  return { arm: arm.name, seed, steps: took, checkpoints: seen, verdicts, predicted, builds, executions, driftedSteps };
}

export const rewardWords = '0.2 compiled + 0.8 correct';

/** A prediction earns what it expects; what nobody knows earns nothing. On this device nothing is timed, so speed earns nothing either. */
export function rewardOf(verdict: Verdict): number {
  const [compiled, correct] =
    verdict.kind === 'measured'
      ? [compiledOf(verdict.outcome), correctOf(verdict.outcome)]
      : [verdict.probabilities.compiled, verdict.probabilities.correct];
  return 0.2 * Number(compiled) + 0.8 * Number(correct);
}

async function examine(
  policies: ReadonlyMap<ProblemName, Policy>,
  judge: RecordedReal,
  { seed, samplesAtCheckpoint }: Training,
  bench: Bench,
): Promise<Omit<Checkpoint, 'step'>> {
  const random = seededRandom(1000 * seed + 2);
  let [all, compiled, correct] = [0, 0, 0];
  for (const [name, policy] of policies) {
    for (let count = 0; count < samplesAtCheckpoint; count += 1) {
      const job = jobOf(bench, name, draw(bench, name, policy, random));
      const { outcome } = await judge.validate(job, { signal: bench.signal });
      all += 1;
      compiled += compiledOf(outcome) === true ? 1 : 0;
      correct += correctOf(outcome) === true ? 1 : 0;
    }
  }
  return { compiled: compiled / all, correct: correct / all };
}

function draw({ allowed }: Bench, name: ProblemName, policy: Policy, random: () => number): Action {
  for (let tries = 0; tries < 10_000; tries += 1) {
    const action = sampleAction(policy, random);
    if (allowed(name, action)) return action;
  }
  throw new KvalError('bad-input', `the agent for ${name} can hardly write a kernel that is allowed`);
}

const settings = settingsSchema.parse({ device: 'cpu', small: true, trials: 2, executeTimeoutMs: 20_000 });

export function jobOf({ problems }: Pick<Bench, 'problems'>, name: ProblemName, action: Action): Job {
  const problem = problems.get(name);
  if (problem === undefined) throw new Error(`there is no starter problem ${name}`);
  const origin = { generator: 'kval bench:rl' };
  return {
    problem,
    candidate: makeCandidate({ source: writeKernel(name, action), problemId: problem.id, origin }),
    settings,
  };
}

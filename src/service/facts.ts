import { z } from 'zod';
import { decisionReasons } from '../validator/hybrid.js';
import { compiledOf, correctOf, type Measured, outcomeStatuses, type Predicted, type Verdict } from '../verdict.js';

const flag = z.literal([0, 1]);
const probability = z.number().min(0).max(1);

/** The flat part of every reply: always all keys, no null, no NaN, so that no trainer stumbles over a column. */
export const factsSchema = z.object({
  status: z
    .enum([...outcomeStatuses, 'infra-error'])
    .describe('What happened, or what is predicted to happen. infra-error: the instrument failed, not the kernel.'),
  compiled: flag,
  correct: flag,
  correct_known: flag.describe('0: nothing was executed and nothing predicted of it.'),
  timed: flag.describe('0: nobody knows its speed, and the next three are 0.'),
  speedup: z.number().nonnegative().describe('Time of the reference over time of the kernel.'),
  kernel_ms: z.number().nonnegative(),
  reference_ms: z.number().nonnegative(),
  p_compiled: probability,
  p_correct: probability,
  confidence: probability.describe('Of the less certain of the two answers; 1 where both were measured.'),
  predicted: flag,
  escalated: flag.describe('A hybrid asked the harness because it did not take its simulator at its word.'),
  audited: flag.describe('A hybrid asked both sides, to compare them.'),
  infra_ok: flag,
  fidelity: z.enum(['none', 'predicted', 'built', 'emulated', 'measured']),
  reason: z.string().describe("A hybrid's reason for its decision, else empty."),
  job_key: z.string(),
});
export type Facts = z.infer<typeof factsSchema>;

export function factsOf(verdict: Verdict): Facts {
  const { decision } = verdict;
  const own = verdict.kind === 'measured' ? measuredFacts(verdict) : predictedFacts(verdict);
  const reason = decision?.reason ?? '';
  const settled: readonly string[] = Object.values(decisionReasons);
  return {
    ...own,
    escalated: flagOf(decision !== undefined && verdict.kind === 'measured' && !settled.includes(reason)),
    audited: flagOf(reason === decisionReasons.audit),
    infra_ok: 1,
    fidelity: verdict.fidelity,
    reason,
    job_key: verdict.jobKey,
  };
}

/** The same keys where the instrument failed: they say nothing about the kernel. */
export function infraFacts(): Facts {
  return { ...nothingKnown, status: 'infra-error', infra_ok: 0 };
}

/** The same keys for an answer in which there is no kernel to judge. */
export function noKernelFacts(): Facts {
  return { ...nothingKnown, status: 'invalid', correct_known: 1, confidence: 1, infra_ok: 1 };
}

const nothingKnown = {
  compiled: 0,
  correct: 0,
  correct_known: 0,
  timed: 0,
  speedup: 0,
  kernel_ms: 0,
  reference_ms: 0,
  p_compiled: 0,
  p_correct: 0,
  confidence: 0,
  predicted: 0,
  escalated: 0,
  audited: 0,
  fidelity: 'none',
  reason: '',
  job_key: '',
} as const;

type Own = Omit<Facts, 'escalated' | 'audited' | 'infra_ok' | 'fidelity' | 'reason' | 'job_key'>;

function measuredFacts({ outcome }: Measured): Own {
  const compiled = compiledOf(outcome);
  const correct = correctOf(outcome);
  const timing = outcome.status === 'correct' ? outcome.timing : null;
  return {
    status: outcome.status,
    compiled: flagOf(compiled === true),
    correct: flagOf(correct === true),
    correct_known: flagOf(correct !== null),
    timed: flagOf(timing !== null),
    speedup: timing?.speedup ?? 0,
    kernel_ms: timing?.candidateMs.median ?? 0,
    reference_ms: timing?.referenceMs.median ?? 0,
    p_compiled: compiled === true ? 1 : 0,
    p_correct: correct === true ? 1 : 0,
    confidence: 1,
    predicted: 0,
  };
}

function predictedFacts({ probabilities, outcomes, speedup, runtimeMs, confidence }: Predicted): Own {
  const compiled = probabilities.compiled >= 0.5;
  const correct = compiled && (probabilities.correct ?? 0) >= 0.5;
  const known = probabilities.correct !== null || !compiled;
  const speed = correct ? speedup : null;
  const kernelMs = correct ? (runtimeMs?.median ?? 0) : 0;
  return {
    status: correct ? 'correct' : known ? failureOf(compiled, outcomes) : 'built',
    compiled: flagOf(compiled),
    correct: flagOf(correct),
    correct_known: flagOf(known),
    timed: flagOf(speed !== null),
    speedup: speed ?? 0,
    kernel_ms: kernelMs,
    reference_ms: speed === null ? 0 : speed * kernelMs,
    p_compiled: probabilities.compiled,
    p_correct: probabilities.correct ?? 0,
    confidence,
    predicted: 1,
  };
}

/** The likelier of the failures that are left; a simulator that cannot tell them apart names the commoner one. */
function failureOf(compiled: boolean, outcomes: Predicted['outcomes']): Facts['status'] {
  const likelier = <S extends keyof NonNullable<Predicted['outcomes']>>(usual: S, other: S): S =>
    outcomes !== undefined && outcomes[other] > outcomes[usual] ? other : usual;
  return compiled ? likelier('mismatch', 'runtime-error') : likelier('compile-error', 'invalid');
}

function flagOf(value: boolean): 0 | 1 {
  return value ? 1 : 0;
}

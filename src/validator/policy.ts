import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { type Job, jobKey } from '../candidate.js';
import { KvalError } from '../errors.js';
import { sha256 } from '../problem.js';
import type { Predicted } from '../verdict.js';
import { wilson } from '../wilson.js';

const probability = z.number().min(0).max(1);

/** Where a probability says neither: above the one and below the other. What lies outside is taken as a no or a yes. */
const bandSchema = z
  .object({ above: probability, below: probability })
  .refine(({ above, below }) => above <= 0.5 && below >= 0.5, 'a band lies around one half: above <= 0.5 <= below');

/** When a hybrid asks the simulator and when the harness. Each part may be left out; those given are applied together. */
export const hybridPolicySchema = z
  .strictObject({
    /** The simulator answers the first steps, the harness the rest (the paper: 30 of 100). */
    warmUp: z
      .object({
        simulatedSteps: z.int().nonnegative(),
        ofSteps: z.int().positive(),
        /** Where the caller names no step, so many verdicts count as one. */
        verdictsPerStep: z.int().positive().default(1),
      })
      .refine((one) => one.simulatedSteps <= one.ofSteps, 'simulatedSteps cannot exceed ofSteps')
      .optional(),
    /** The harness answers where the simulator is not sure, or promises more speed than can be taken on trust. */
    escalate: z
      .strictObject({
        confidenceBelow: probability.default(0),
        /** Thresholds of their own, one for each question and answer: a wrong yes may cost more than a wrong no. */
        compiled: bandSchema.optional(),
        correct: bandSchema.optional(),
        speedupAbove: z.number().positive().nullable().default(null),
      })
      .optional(),
    /** For this share of jobs both answer; which ones depends on their content alone. */
    audit: z.object({ share: probability }).optional(),
    /** Every kernel is really compiled; only what needs a device is predicted. */
    buildFirst: z.boolean().default(false),
    /** The harness answers everything while audits say that the simulator agrees with it less often than this. */
    drift: z
      .strictObject({
        compiledBelow: probability.nullable().default(null),
        correctBelow: probability.nullable().default(null),
        /** The latest so many audited kernels count, and fewer than the least decide nothing. */
        window: z.int().positive().default(100),
        leastPairs: z.int().positive().default(20),
      })
      .refine(
        ({ compiledBelow, correctBelow }) => compiledBelow !== null || correctBelow !== null,
        'drift needs a bound',
      )
      .refine(({ window, leastPairs }) => leastPairs <= window, 'leastPairs cannot exceed window')
      .refine(
        ({ compiledBelow, correctBelow, window }) =>
          Math.max(compiledBelow ?? 0, correctBelow ?? 0) <= (wilson(window, window)?.low ?? 0),
        'the window is too small to be ever sure of so high a bound',
      )
      .optional(),
  })
  .refine(
    ({ drift, audit }) => drift === undefined || (audit?.share ?? 0) > 0,
    'drift is seen by audits: give audit.share',
  );
export type HybridPolicy = z.infer<typeof hybridPolicySchema>;

export function parsePolicy(policy: unknown): HybridPolicy {
  const parsed = hybridPolicySchema.safeParse(policy);
  if (!parsed.success) throw new KvalError('usage', `the hybrid policy is not valid: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** What `kval tune-policy` writes: a policy, and beside it what it was tuned on and promises. */
export const policyFileSchema = z.object({
  format: z.literal('kval-hybrid-policy'),
  policy: hybridPolicySchema,
  evidence: z.record(z.string(), z.json()),
});
export type PolicyFile = z.infer<typeof policyFileSchema>;

export async function readPolicyFile(path: string): Promise<HybridPolicy> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new KvalError('not-found', `there is no policy file ${path}`, {
      cause,
      fix: 'Make one with `kval tune-policy --out FILE`, or name another file.',
    });
  });
  const parsed = policyFileSchema.safeParse(jsonOf(text));
  if (!parsed.success) throw new KvalError('bad-input', `${path} is no policy file: ${z.prettifyError(parsed.error)}`);
  return parsed.data.policy;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The policy in words, as every verdict carries it. */
export function policyNames({ warmUp, escalate, audit, buildFirst, drift }: HybridPolicy): string[] {
  const names: string[] = [];
  if (warmUp !== undefined) names.push(`warm-up ${warmUp.simulatedSteps} of ${warmUp.ofSteps}`);
  if (escalate !== undefined) {
    const { confidenceBelow, compiled, correct, speedupAbove } = escalate;
    const parts = [
      ...(confidenceBelow > 0 ? [`below ${confidenceBelow}`] : []),
      ...(compiled === undefined ? [] : [`compiled within ${compiled.above} to ${compiled.below}`]),
      ...(correct === undefined ? [] : [`correct within ${correct.above} to ${correct.below}`]),
      ...(speedupAbove === null ? [] : [`speed-up above ${speedupAbove}`]),
    ];
    names.push(`escalate ${parts.join(' or ') || 'nothing'}`);
  }
  if (audit !== undefined) names.push(`audit ${audit.share}`);
  if (buildFirst) names.push('build-first');
  if (drift !== undefined) {
    const bounds = [
      ...(drift.compiledBelow === null ? [] : [`compiled below ${drift.compiledBelow}`]),
      ...(drift.correctBelow === null ? [] : [`correct below ${drift.correctBelow}`]),
    ];
    names.push(`drift ${bounds.join(' or ')}`);
  }
  return names;
}

/** The step that the caller names, else the one that so many verdicts make. */
export function stepOf({ warmUp }: HybridPolicy, given: number | undefined, verdicts: number): number | null {
  if (given !== undefined) return given;
  return warmUp === undefined ? null : Math.floor(verdicts / warmUp.verdictsPerStep);
}

export function isWarm({ warmUp }: HybridPolicy, step: number | null): boolean {
  return warmUp !== undefined && step !== null && step >= warmUp.simulatedSteps;
}

/** By hash, so that the same job is audited in every run and nobody can choose which. */
export function isAudited({ audit }: HybridPolicy, job: Job): boolean {
  if (audit === undefined) return false;
  return Number.parseInt(sha256('audit', jobKey(job)).slice(0, 12), 16) / 2 ** 48 < audit.share;
}

/** Why the simulator's word is not taken; null where it is. */
export function doubtOf({ escalate }: HybridPolicy, { probabilities, confidence, speedup }: Predicted): string | null {
  if (escalate === undefined) return null;
  if (confidence < escalate.confidenceBelow) return 'the simulator is unsure';
  if (within(escalate.compiled, probabilities.compiled)) return 'the simulator is unsure whether it compiles';
  if (within(escalate.correct, probabilities.correct)) return 'the simulator is unsure whether it is correct';
  if (escalate.speedupAbove !== null && speedup !== null && speedup > escalate.speedupAbove) {
    return 'the predicted speed-up is too good to be taken on trust';
  }
  return null;
}

/** A simulator that says nothing about a question that has a threshold is as unsure as can be. */
function within(band: z.infer<typeof bandSchema> | undefined, value: number | null): boolean {
  return band !== undefined && (value === null || (value > band.above && value < band.below));
}

import { z } from 'zod';
import { type Job, jobKey } from '../candidate.js';
import { KvalError } from '../errors.js';
import { sha256 } from '../problem.js';
import type { Decision, Measured, Predicted, Verdict } from '../verdict.js';
import type { SimulatedValidator } from './simulated.js';
import type { Validator } from './validator.js';

/** When a hybrid asks the simulator and when the harness. Each part may be left out; those given are applied together. */
export const hybridPolicySchema = z.object({
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
    .object({ confidenceBelow: z.number().min(0).max(1), speedupAbove: z.number().positive().nullable().default(null) })
    .optional(),
  /** For this share of jobs both answer; which ones depends on their content alone. */
  audit: z.object({ share: z.number().min(0).max(1) }).optional(),
  /** Every kernel is really compiled; only what needs a device is predicted. */
  buildFirst: z.boolean().default(false),
});
export type HybridPolicy = z.infer<typeof hybridPolicySchema>;

export interface HybridOptions {
  readonly real: Validator<Measured>;
  readonly simulated: SimulatedValidator;
  readonly policy: z.input<typeof hybridPolicySchema>;
}

type Asked = { readonly signal?: AbortSignal; readonly step?: number };

/**
 * A validator made of two others. Every verdict carries the decision that led to it. The harness is asked because the
 * simulator is unsure or due for a check, never because it is broken: what either side throws, this throws.
 */
export function createHybridValidator(options: HybridOptions): Validator {
  const { real, simulated } = options;
  const policy = readPolicy(options.policy);
  const names = policyNames(policy);
  let verdicts = 0;
  let closed = false;

  const validate = async (job: Job, asked: Asked = {}): Promise<Verdict> => {
    if (closed) throw new KvalError('usage', 'this validator is closed');
    const step = stepOf(policy, asked.step, verdicts);
    verdicts += 1;
    const decide = (reason: string, audit: Predicted | null = null): { decision: Decision } => ({
      decision: { policy: names, step, reason, audit },
    });
    const signal = asked.signal === undefined ? {} : { signal: asked.signal };
    const measure = (): Promise<Measured> => real.validate(job, asked);

    if (isAudited(policy, job)) {
      const [measured, predicted] = await both(measure(), simulated.predict(job, signal));
      return { ...measured, ...decide('audit', predicted) };
    }
    if (policy.warmUp !== undefined && step !== null && step >= policy.warmUp.simulatedSteps) {
      return { ...(await measure()), ...decide('warm-up is over') };
    }
    const built = policy.buildFirst ? await buildOnly(real, job, asked) : null;
    if (built !== null && (built.outcome.status !== 'built' || job.settings.device === 'none')) {
      return {
        ...built,
        ...decide(built.outcome.status === 'built' ? 'a build was all that was asked' : 'the build decided'),
      };
    }
    const predicted = await simulated.predict(job, { ...signal, built: built !== null });
    const doubt = doubtOf(policy, predicted);
    if (doubt !== null) return { ...(await measure()), ...decide(doubt, predicted) };
    return { ...predicted, ...decide(built === null ? 'the simulator is sure enough' : 'built, the rest predicted') };
  };

  return {
    name: `hybrid(${names.join(', ') || 'simulator only'})`,
    validate,
    async close() {
      if (closed) return;
      closed = true;
      const ended = await Promise.allSettled([real.close(), simulated.close()]);
      for (const end of ended) if (end.status === 'rejected') throw end.reason;
    },
  };
}

function readPolicy(policy: z.input<typeof hybridPolicySchema>): HybridPolicy {
  const parsed = hybridPolicySchema.safeParse(policy);
  if (!parsed.success) throw new KvalError('usage', `the hybrid policy is not valid: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** The policy in words, as every verdict carries it. */
function policyNames(policy: HybridPolicy): string[] {
  const { warmUp, escalate, audit, buildFirst } = policy;
  const names: string[] = [];
  if (warmUp !== undefined) names.push(`warm-up ${warmUp.simulatedSteps} of ${warmUp.ofSteps}`);
  if (escalate !== undefined) {
    const speed = escalate.speedupAbove === null ? '' : ` or speed-up above ${escalate.speedupAbove}`;
    names.push(`escalate below ${escalate.confidenceBelow}${speed}`);
  }
  if (audit !== undefined) names.push(`audit ${audit.share}`);
  if (buildFirst) names.push('build-first');
  return names;
}

function stepOf(policy: HybridPolicy, given: number | undefined, verdicts: number): number | null {
  if (given !== undefined) return given;
  return policy.warmUp === undefined ? null : Math.floor(verdicts / policy.warmUp.verdictsPerStep);
}

/** By hash, so that the same job is audited in every run and nobody can choose which. */
function isAudited(policy: HybridPolicy, job: Job): boolean {
  if (policy.audit === undefined) return false;
  return Number.parseInt(sha256('audit', jobKey(job)).slice(0, 12), 16) / 2 ** 48 < policy.audit.share;
}

/** A failed build is the verdict of the whole job, so it bears that job's key. */
async function buildOnly(real: Validator<Measured>, job: Job, asked: Asked): Promise<Measured> {
  const measured = await real.validate({ ...job, settings: { ...job.settings, device: 'none' } }, asked);
  return { ...measured, jobKey: jobKey(job) };
}

function doubtOf(policy: HybridPolicy, predicted: Predicted): string | null {
  if (policy.escalate === undefined) return null;
  const { confidenceBelow, speedupAbove } = policy.escalate;
  if (predicted.confidence < confidenceBelow) return 'the simulator is unsure';
  if (speedupAbove !== null && predicted.speedup !== null && predicted.speedup > speedupAbove) {
    return 'the predicted speed-up is too good to be taken on trust';
  }
  return null;
}

/** Waits for both, also when one fails, so that nothing goes on unwatched. */
async function both<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  const [a, b] = await Promise.allSettled([first, second]);
  if (a.status === 'rejected') throw a.reason;
  if (b.status === 'rejected') throw b.reason;
  return [a.value, b.value];
}

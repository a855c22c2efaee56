import type { z } from 'zod';
import { type Job, jobKey } from '../candidate.js';
import { KvalError } from '../errors.js';
import { type BuildFacts, buildFactsOf } from '../simulator/build-features.js';
import { compiledOf, type Decision, type DriftState, type Measured, type Predicted, type Verdict } from '../verdict.js';
import { watchDrift } from './drift.js';
import { doubtOf, type hybridPolicySchema, isAudited, isWarm, parsePolicy, policyNames, stepOf } from './policy.js';
import type { SimulatedValidator } from './simulated.js';
import type { Validator } from './validator.js';

export interface HybridOptions {
  readonly real: Validator<Measured>;
  readonly simulated: SimulatedValidator;
  readonly policy: z.input<typeof hybridPolicySchema>;
}

/** What a hybrid has done so far, for whoever watches it. */
export interface HybridState {
  readonly policy: readonly string[];
  readonly verdicts: number;
  /** How many of the answers were given by each side, and how often both were asked for the drift's sake. */
  readonly measured: number;
  readonly predicted: number;
  readonly audits: number;
  /** Null where the policy does not watch for drift. */
  readonly drift: DriftState | null;
}

export interface HybridValidator extends Validator {
  state(): HybridState;
}

/** The reasons of a decision in which nobody was doubted: both were to be compared, or a build had said it all. */
export const decisionReasons = {
  audit: 'audit',
  buildDecided: 'the build decided',
  buildAsked: 'a build was all that was asked',
} as const;

type Asked = { readonly signal?: AbortSignal; readonly step?: number };

/**
 * A validator made of two others. Every verdict carries the decision that led to it. The harness is asked because the
 * simulator is unsure, due for a check or found to disagree, never because it is broken: what either side throws, this
 * throws.
 */
export function createHybridValidator(options: HybridOptions): HybridValidator {
  const { real, simulated } = options;
  const policy = parsePolicy(options.policy);
  const names = policyNames(policy);
  const drift = policy.drift === undefined ? null : watchDrift(policy.drift);
  const counts = { verdicts: 0, measured: 0, predicted: 0, audits: 0 };
  let closed = false;

  const validate = async (job: Job, asked: Asked = {}): Promise<Verdict> => {
    if (closed) throw new KvalError('usage', 'this validator is closed');
    const step = stepOf(policy, asked.step, counts.verdicts);
    counts.verdicts += 1;
    const known = drift === null ? {} : { drift: drift.state() };
    const decide = <V extends Measured | Predicted>(verdict: V, reason: string, audit: Predicted | null = null) => {
      counts[verdict.kind] += 1;
      const decision: Decision = { policy: names, step, reason, audit, ...known };
      return { ...verdict, decision };
    };
    const signal = asked.signal === undefined ? {} : { signal: asked.signal };
    const measure = (): Promise<Measured> => real.validate(job, asked);
    /** The simulator says what it would have said, after a build where the policy builds; drift counts what would have been taken. */
    const askBoth = async (): Promise<[Measured, Predicted]> => {
      const [measured, early] = await both(measure(), policy.buildFirst ? null : simulated.predict(job, signal));
      const built = policy.buildFirst && compiledOf(measured.outcome) === true;
      const predicted = early ?? (await simulated.predict(job, { ...signal, built, build: factsOf(measured) }));
      const taken = (built || !policy.buildFirst) && doubtOf(policy, predicted) === null;
      if (taken) drift?.add(measured, predicted);
      counts.audits += 1;
      return [measured, predicted];
    };

    const drifted = known.drift?.escalating === true;
    if (drifted || isAudited(policy, job)) {
      const [measured, predicted] = await askBoth();
      return decide(
        measured,
        drifted ? 'the simulator has drifted from the harness' : decisionReasons.audit,
        predicted,
      );
    }
    if (isWarm(policy, step)) return decide(await measure(), 'warm-up is over');
    const built = policy.buildFirst ? await buildOnly(real, job, asked) : null;
    if (built !== null && built.outcome.status !== 'built') return decide(built, decisionReasons.buildDecided);
    if (built !== null && job.settings.device === 'none') return decide(built, decisionReasons.buildAsked);
    const predicted = await simulated.predict(job, { ...signal, built: built !== null, build: factsOf(built) });
    const doubt = doubtOf(policy, predicted);
    if (doubt !== null) return decide(await measure(), doubt, predicted);
    return decide(predicted, built === null ? 'the simulator is sure enough' : 'built, the rest predicted');
  };

  return {
    name: `hybrid(${names.join(', ') || 'simulator only'})`,
    validate,
    state: () => ({ policy: names, ...counts, drift: drift?.state() ?? null }),
    async close() {
      if (closed) return;
      closed = true;
      const ended = await Promise.allSettled([real.close(), simulated.close()]);
      for (const end of ended) if (end.status === 'rejected') throw end.reason;
    },
  };
}

/** A failed build is the verdict of the whole job, so it bears that job's key. */
async function buildOnly(real: Validator<Measured>, job: Job, asked: Asked): Promise<Measured> {
  const measured = await real.validate({ ...job, settings: { ...job.settings, device: 'none' } }, asked);
  return { ...measured, jobKey: jobKey(job) };
}

function factsOf(built: Measured | null): BuildFacts | null {
  return built?.build ? buildFactsOf(built.build) : null;
}

/** Waits for both, also when one fails, so that nothing goes on unwatched. */
async function both<A, B>(first: Promise<A>, second: Promise<B> | null): Promise<[A, B | null]> {
  const [a, b] = await Promise.allSettled([first, second]);
  if (a.status === 'rejected') throw a.reason;
  if (b.status === 'rejected') throw b.reason;
  return [a.value, b.value];
}

import { type Job, jobKey } from '../../src/candidate.js';
import type { LabelStore } from '../../src/labels/store.js';
import type { Validator } from '../../src/validator/validator.js';
import type { Measured } from '../../src/verdict.js';

/** What real verdicts cost, as they were measured when they were made. */
export interface Bill {
  /** Milliseconds of one worker, counted at every use: each build from scratch, each execution. */
  readonly coldMs: number;
  /** The same, counting each job once: what a store of verdicts leaves of it. */
  readonly onceMs: number;
  readonly builds: number;
  readonly executions: number;
}

/** The real validator with a memory. Its bill runs from when it was made. */
export interface RecordedReal extends Validator<Measured> {
  bill(): Bill;
  /** Begins a new verdict: a kernel built for it is not billed again when it goes on to be executed. */
  next(): void;
}

/**
 * Answers from the store what was measured before, and measures the rest: first the build alone, then the execution, so
 * that each has a time of its own. `real` is left open, and its build cache must not know the kernels already, or a build
 * would be billed at a cache's price.
 */
export function recordReal(real: Validator<Measured>, store: LabelStore): RecordedReal {
  const bill = { coldMs: 0, onceMs: 0, builds: 0, executions: 0 };
  const known = new Map<string, Measured>();
  let built = '';
  const recall = async (job: Job, signal: AbortSignal | undefined): Promise<Measured> => {
    const measured =
      store.find(jobKey(job))?.measured ?? (await real.validate(job, signal === undefined ? {} : { signal }));
    store.append(measured, job);
    return measured;
  };
  const answer = async (job: Job, signal: AbortSignal | undefined): Promise<Measured> => {
    const key = jobKey(job);
    const measured = known.get(key) ?? (await recall(job, signal));
    if (key === built) return measured;
    bill.coldMs += measured.provenance.durationMs;
    if (!known.has(key)) bill.onceMs += measured.provenance.durationMs;
    known.set(key, measured);
    if (job.settings.device === 'none') {
      bill.builds += 1;
      built = key;
    } else bill.executions += 1;
    return measured;
  };
  return {
    name: 'recorded real',
    bill: () => ({ ...bill }),
    next: () => {
      built = '';
    },
    async validate(job, { signal } = {}) {
      const compiled = await answer({ ...job, settings: { ...job.settings, device: 'none' } }, signal);
      if (job.settings.device === 'none') return compiled;
      return compiled.outcome.status === 'built' ? answer(job, signal) : { ...compiled, jobKey: jobKey(job) };
    },
    close: async () => {},
  };
}

/** Whether a job's verdict can be had without measuring anything. */
export function isRecorded(store: LabelStore, job: Job): boolean {
  const built = store.find(jobKey({ ...job, settings: { ...job.settings, device: 'none' } }));
  return built !== null && (built.measured.outcome.status !== 'built' || store.has(jobKey(job)));
}

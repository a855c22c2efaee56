import type { Job } from '../candidate.js';
import type { Verdict } from '../verdict.js';

/**
 * Judges one job. A bad kernel is a verdict; only a validator that cannot judge throws a `KvalError`.
 * `close` frees everything and may be called twice.
 */
export interface Validator<V extends Verdict = Verdict> {
  readonly name: string;
  validate(job: Job, options?: { signal?: AbortSignal; step?: number }): Promise<V>;
  close(): Promise<void>;
}

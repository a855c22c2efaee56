import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import { type Job, jobKey } from '../candidate.js';
import { type ErrorCode, KvalError, toKvalError } from '../errors.js';
import type { Validator } from '../validator/validator.js';
import type { Measured, OutcomeStatus } from '../verdict.js';
import { claimExpiryMs } from './claims.js';
import { emptyByStatus, type LabelStore } from './store.js';

export interface CollectOptions {
  readonly jobs: Iterable<Job>;
  readonly validator: Validator<Measured>;
  readonly store: LabelStore;
  /** Jobs at work at the same time. */
  readonly concurrency: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CollectProgress) => void;
  /** How often to look whether a job that another process is at work on is done. */
  readonly pollMs?: number;
}

export interface CollectProgress {
  /** Different jobs. */
  readonly total: number;
  /** Jobs that need nothing more: labelled now or before, here or by another process, or failed. */
  readonly done: number;
  /** Of these, the ones labelled by this call. */
  readonly labelled: number;
  readonly failed: number;
  readonly byStatus: Readonly<Record<OutcomeStatus, number>>;
}

/** A job that no instrument could judge. It has no label, and the next call tries it again. */
export interface CollectFailure {
  readonly jobKey: string;
  readonly problemId: string;
  readonly candidateHash: string;
  readonly generator: string;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface CollectReport extends CollectProgress {
  /** Jobs that had their label before. */
  readonly already: number;
  /** Jobs given more than once. */
  readonly duplicates: number;
  /** Jobs that another process labelled meanwhile. */
  readonly elsewhere: number;
  readonly failures: readonly CollectFailure[];
  /** Whether a signal ended it; the same call goes on from there. */
  readonly stopped: boolean;
}

/** These befall every job alike: going on would only repeat them. */
const hopeless: readonly ErrorCode[] = [
  'toolchain-missing',
  'device-missing',
  'disk-full',
  'store-corrupt',
  'store-busy',
];

/** As many failures in a row, none judged between, mean that the instrument is at fault and not the jobs. */
const failuresInARow = 20;

/**
 * Labels every job that has no label yet, each one once, however many processes do so on one store at the same time.
 * A label is stored as soon as it is measured. An abort stops the jobs at work, and nothing that was measured is lost.
 */
export async function collect(options: CollectOptions): Promise<CollectReport> {
  const { validator, store, concurrency, onProgress, pollMs = 500 } = options;
  const { jobs, given } = distinct(options.jobs);
  const owner = `${hostname()}:${process.pid}:${randomUUID()}`;
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const byStatus = emptyByStatus();
  const failures: CollectFailure[] = [];
  const taken: [string, Job][] = [];
  const counts = { already: 0, elsewhere: 0, labelled: 0 };
  let inARow = 0;
  let fatal: KvalError | undefined;

  const onAbort = () => stop.abort(options.signal?.reason);
  if (options.signal?.aborted) onAbort();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const heart = setInterval(() => attempt(() => store.beat(owner)), claimExpiryMs / 6);

  try {
    const waiting = jobs.entries();
    await Promise.all(Array.from({ length: Math.max(1, concurrency) }, () => workThrough(waiting)));
    await revisit();
  } finally {
    clearInterval(heart);
    options.signal?.removeEventListener('abort', onAbort);
    attempt(() => store.release(owner));
  }
  if (fatal !== undefined) throw fatal;
  return {
    ...progress(),
    already: counts.already,
    elsewhere: counts.elsewhere,
    duplicates: given - jobs.size,
    failures,
    stopped: options.signal?.aborted === true,
  };

  async function workThrough(waiting: Iterable<[string, Job]>): Promise<void> {
    for (const [key, job] of waiting) {
      if (stop.signal.aborted) return;
      await take(key, job);
    }
  }

  async function take(key: string, job: Job, again = false): Promise<void> {
    try {
      const claim = store.claim(key, owner);
      if (claim === 'taken') {
        taken.push([key, job]);
        return;
      }
      if (claim === 'labelled') {
        counts[again ? 'elsewhere' : 'already'] += 1;
      } else {
        const measured = await validator.validate(job, { signal: stop.signal });
        const isNew = await keep(measured, job);
        counts[isNew ? 'labelled' : 'elsewhere'] += 1;
        if (isNew) byStatus[measured.outcome.status] += 1;
        inARow = 0;
        attempt(() => store.release(owner, key));
      }
    } catch (thrown) {
      attempt(() => store.release(owner, key));
      if (stop.signal.aborted) return;
      failed(key, job, toKvalError(thrown));
    }
    onProgress?.(progress());
  }

  function failed(key: string, job: Job, error: KvalError): void {
    const { problem, candidate } = job;
    failures.push({
      jobKey: key,
      problemId: problem.id,
      candidateHash: candidate.hash,
      generator: candidate.origin.generator,
      code: error.code,
      message: error.message,
    });
    if (error.code !== 'unsupported') inARow += 1; // the device is well, this one kernel is beyond it
    if (hopeless.includes(error.code)) fatal ??= error;
    else if (inARow === failuresInARow) {
      const { code, message, fix } = error;
      fatal ??= new KvalError(code, `${inARow} jobs in a row could not be judged; the last: ${message}`, {
        cause: error,
        fix,
      });
    }
    if (fatal !== undefined) stop.abort();
  }

  /** A verdict took long to make: a store that is busy or a disk that is full gets a minute to recover. */
  async function keep(measured: Measured, job: Job): Promise<boolean> {
    for (const pause of [250, 1_000, 5_000, 15_000, 30_000, null]) {
      try {
        return store.append(measured, job);
      } catch (thrown) {
        const error = toKvalError(thrown);
        if (!error.retry || pause === null) throw error;
        await pauseUnlessStopped(stop.signal, pause);
      }
    }
    return false;
  }

  /** Jobs that others are at work on: waits until each has its label, or its claim is given up and can be had. */
  async function revisit(): Promise<void> {
    while (taken.length > 0 && !stop.signal.aborted) {
      await pauseUnlessStopped(stop.signal, pollMs);
      const waiting = taken.splice(0).values();
      await Promise.all(
        Array.from({ length: Math.max(1, concurrency) }, async () => {
          for (const [key, job] of waiting) {
            if (stop.signal.aborted) return;
            await take(key, job, true);
          }
        }),
      );
    }
  }

  function progress(): CollectProgress {
    const done = counts.already + counts.elsewhere + counts.labelled + failures.length;
    return { total: jobs.size, done, labelled: counts.labelled, failed: failures.length, byStatus: { ...byStatus } };
  }
}

function distinct(given: Iterable<Job>): { jobs: Map<string, Job>; given: number } {
  const jobs = new Map<string, Job>();
  let count = 0;
  for (const job of given) {
    const key = jobKey(job);
    if (!jobs.has(key)) jobs.set(key, job);
    count += 1;
  }
  return { jobs, given: count };
}

/** Signs of life and given-up claims are no loss: they expire by themselves. */
function attempt(work: () => void): void {
  try {
    work();
  } catch {
    // The store says the same, louder, at the next label.
  }
}

function pauseUnlessStopped(signal: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
  });
}

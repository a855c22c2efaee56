import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import {
  type Job as BullJob,
  QueueEvents,
  type QueueEventsListener,
  UnrecoverableError,
  WaitingError,
  Worker,
} from 'bullmq';
import { z } from 'zod';
import type { Job } from '../candidate.js';
import { type ErrorCode, KvalError, toKvalError } from '../errors.js';
import type { Problem } from '../problem.js';
import type { Validator } from '../validator/validator.js';
import type { Measured } from '../verdict.js';
import type { Progress } from '../worker/protocol.js';
import { noticeOnce, queueAddress, queuePrefix, reach, withinMs } from './connection.js';
import {
  type Lane,
  orderKinds,
  type Packed,
  packFailure,
  packShapes,
  packVerdict,
  readJob,
  readProblem,
  type Shapes,
  stallsBorne,
} from './message.js';

export interface WorkOptions {
  readonly url: string;
  readonly kval: string;
  /** How many jobs of each queue at once; a queue that is left out is not served. */
  readonly lanes: Partial<Readonly<Record<Lane, number>>>;
  /** What judges here; the caller closes it. */
  readonly open: (onProgress: (job: Job, progress: Progress) => void) => Validator<Measured>;
  /** What the harness here says of a problem's shapes. */
  readonly describe: (problem: Problem, signal: AbortSignal) => Promise<Shapes>;
  /** A worker without a sign of life for so long is dead, and its jobs go to others within twice that time. */
  readonly lockMs?: number;
  /** How long jobs at work may take to end once `signal` says stop; then they go back to the queue. */
  readonly drainMs?: number;
  readonly signal: AbortSignal;
  /** Called once, when jobs are taken. */
  readonly onServing?: (words: string) => void;
  readonly onNotice?: (text: string) => void;
}

export interface WorkReport {
  readonly judged: number;
  /** Jobs whose instrument failed. */
  readonly failed: number;
  /** Jobs that went back to the queue unfinished. */
  readonly returned: number;
}

/** Of these the box is at fault: it takes no more jobs, and the one that it had goes to another. */
const boxAtFault: readonly ErrorCode[] = ['toolchain-missing', 'device-missing', 'sandbox-missing', 'disk-full'];

/** Of these the job or its client is. */
const jobAtFault: readonly ErrorCode[] = ['unsupported', 'worker-protocol', 'bad-input'];

/** For jobs that were told to stop, and for connections where Redis is away. */
const goodbyeMs = 15_000;
const unreachedMs = 3_000;

/** As many failures in a row, no verdict between, mean that the box is at fault and not the jobs. */
const failuresInARow = 20;

/**
 * Takes jobs from the queues until `signal` says stop, then finishes or gives back what it has. Throws where the box
 * turns out to be at fault, after giving back its jobs.
 */
export async function runWorker(options: WorkOptions): Promise<WorkReport> {
  const { kval, signal, lockMs = 30_000, drainMs = 20_000 } = options;
  const address = queueAddress(options.url);
  const common = { connection: address.connection, prefix: queuePrefix };
  const notice = noticeOnce(options.onNotice);
  const counts = { judged: 0, failed: 0, returned: 0 };
  const reporters = new WeakMap<Job, BullJob>();
  const validator = options.open((job, progress) => {
    reporters
      .get(job)
      ?.updateProgress({ ...progress })
      .catch(() => {});
  });
  /** Aborted when jobs at work must go back. */
  const giveBack = new AbortController();
  /** Aborted with the error that makes this box leave. */
  const leave = new AbortController();
  setMaxListeners(0, giveBack.signal);
  let inARow = 0;

  async function answer(bull: BullJob, stop: AbortSignal): Promise<Packed> {
    switch (z.enum(orderKinds).safeParse(bull.name).data) {
      case 'describe':
        return packShapes(await options.describe(readProblem(bull.data, kval), stop), kval);
      default: {
        const job = readJob(bull.data, kval);
        reporters.set(job, bull);
        const verdict = await validator.validate(job, { signal: stop });
        counts.judged += 1;
        return packVerdict(verdict, kval);
      }
    }
  }

  async function work(bull: BullJob, token: string | undefined, cancelled: AbortSignal | undefined): Promise<unknown> {
    try {
      const stop = AbortSignal.any([giveBack.signal, ...(cancelled === undefined ? [] : [cancelled])]);
      const packed = await answer(bull, stop);
      inARow = 0;
      return packed;
    } catch (thrown) {
      const error = toKvalError(thrown);
      if (giveBack.signal.aborted && error.code === 'interrupted') {
        counts.returned += 1;
        await bull.moveToWait(token);
        throw new WaitingError();
      }
      throw failed(error);
    }
  }

  /** An error that BullMQ tries again, on this box or another, or one that it does not. */
  function failed(error: KvalError): Error {
    const packed = packFailure(error);
    if (error.code === 'interrupted') return new UnrecoverableError(packed);
    counts.failed += 1;
    if (!jobAtFault.includes(error.code)) inARow += 1;
    if (boxAtFault.includes(error.code)) leave.abort(error);
    else if (inARow === failuresInARow) {
      const { code, message, fix } = error;
      leave.abort(new KvalError(code, `${inARow} jobs in a row could not be judged; the last: ${message}`, { fix }));
    }
    return error.retry || leave.signal.aborted ? new Error(packed) : new UnrecoverableError(packed);
  }

  const parts = lanesOf(options.lanes).map(([lane, concurrency]) => {
    const worker = new Worker(lane, work, {
      ...common,
      autorun: false,
      name: `${hostname()}-${process.pid}`,
      concurrency,
      lockDuration: lockMs,
      stalledInterval: lockMs,
      maxStalledCount: stallsBorne,
    });
    const orders = new QueueEvents(lane, common);
    const lost = ({ message }: Error): void => notice(`queue ${lane} at ${address.words}: ${message}`);
    worker.on('error', lost);
    orders.on('error', lost);
    // Its job belongs to somebody else by now.
    worker.on('lockRenewalFailed', (ids) => {
      for (const id of ids) worker.cancelJob(id);
    });
    orders.on<OrdersListener, 'cancel'>('cancel', ({ jobId }) => worker.cancelJob(jobId));
    return { worker, orders };
  });

  try {
    await reach(
      parts.map(({ worker }) => worker),
      address,
    );
    for (const { worker } of parts) void worker.run().catch((thrown: unknown) => leave.abort(toKvalError(thrown)));
    options.onServing?.(address.words);
    await either(signal, leave.signal);
    const wait = leave.signal.aborted ? 0 : drainMs;
    const patience = setTimeout(() => giveBack.abort(), wait);
    await withinMs(wait + goodbyeMs, Promise.allSettled(parts.map(({ worker }) => worker.close())));
    clearTimeout(patience);
  } finally {
    address.end();
    const closing = parts.flatMap(({ worker, orders }) => [worker.close(true), orders.close()]);
    await withinMs(unreachedMs, Promise.allSettled(closing));
  }
  if (leave.signal.aborted) throw toKvalError(leave.signal.reason);
  return counts;
}

interface OrdersListener extends QueueEventsListener {
  cancel: (order: { jobId: string }, id: string) => void;
}

function lanesOf(lanes: WorkOptions['lanes']): [Lane, number][] {
  return (['none', 'cpu', 'cuda'] as const).flatMap((lane): [Lane, number][] => {
    const concurrency = lanes[lane];
    return concurrency === undefined ? [] : [[lane, concurrency]];
  });
}

function either(...signals: AbortSignal[]): Promise<void> {
  const any = AbortSignal.any(signals);
  return new Promise((resolve) => {
    if (any.aborted) return resolve();
    any.addEventListener('abort', () => resolve(), { once: true });
  });
}

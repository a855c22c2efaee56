import { Queue, QueueEvents, QueueEventsProducer } from 'bullmq';
import type { Job } from '../candidate.js';
import { aboutJob } from '../validator/real.js';
import type { Measured } from '../verdict.js';
import { leavable, throwIfAborted } from '../worker/interrupt.js';
import { type Progress, progressSchema } from '../worker/protocol.js';
import { noticeOnce, type QueueAddress, queuePrefix, reach, withinMs } from './connection.js';
import { type Ending, watchEndings } from './endings.js';
import { type Lane, messageId, packJob, readFailure, readVerdict } from './message.js';

export interface LineOptions {
  readonly address: QueueAddress;
  /** The version of this kval; a worker of another one is refused. */
  readonly kval: string;
  readonly onProgress?: (job: Job, progress: Progress) => void;
  /** Told what no verdict tells: Redis is away, no worker is there. */
  readonly onNotice?: (text: string) => void;
}

/** The client's end of one queue. */
export interface Line {
  /** Puts a job there and waits for its verdict. The same job asked for twice is judged once. */
  ask(job: Job, signal: AbortSignal | undefined): Promise<Measured>;
  close(): Promise<void>;
}

/** What a client that is gone did not fetch is kept so long. */
const keptSeconds = 24 * 3_600;
const tries = 3;
const goodbyeMs = 3_000;

interface Asked {
  readonly answer: Promise<Measured>;
  readonly stop: AbortController;
  waiting: number;
}

export function openLine(lane: Lane, { address, kval, onProgress, onNotice }: LineOptions): Line {
  const common = { connection: address.connection, prefix: queuePrefix };
  const queue = new Queue(lane, common);
  const events = new QueueEvents(lane, common);
  const orders = new QueueEventsProducer(lane, common);
  const ending = watchEndings(queue, events);
  const asked = new Map<string, Asked>();
  const leaving = new Set<Promise<void>>();
  const notice = noticeOnce(onNotice);
  const failed = ({ message }: Error): void => notice(`queue ${lane} at ${address.words}: ${message}`);
  queue.on('error', failed);
  events.on('error', failed);
  orders.on('error', failed);
  let reached: Promise<void> | undefined;

  function ask(job: Job, signal: AbortSignal | undefined): Promise<Measured> {
    const id = messageId(job, kval);
    const one = asked.get(id) ?? begin(id, job);
    one.waiting += 1;
    return leavable(signal, aboutJob(job), () => one.answer).finally(() => {
      one.waiting -= 1;
      if (one.waiting === 0) one.stop.abort();
    });
  }

  function begin(id: string, job: Job): Asked {
    const stop = new AbortController();
    const forget = (): void => {
      if (asked.get(id) === one) asked.delete(id);
    };
    const one: Asked = { stop, waiting: 0, answer: judge(id, job, stop.signal).finally(forget) };
    one.answer.catch(() => {}); // whoever waits for it hears of it
    stop.signal.addEventListener('abort', forget, { once: true });
    asked.set(id, one);
    return one;
  }

  async function judge(id: string, job: Job, signal: AbortSignal): Promise<Measured> {
    const about = aboutJob(job);
    await contact();
    for (;;) {
      throwIfAborted(signal, about);
      const end = await once(id, job, signal);
      // Another client took the result with it: the job is asked for again.
      if (end.kind === 'gone') continue;
      await queue.remove(id);
      if (end.kind === 'completed') return readVerdict(end.value, job, kval);
      const error = readFailure(end.reason, about);
      // Another client asked for the same, and changed its mind.
      if (error.code !== 'interrupted') throw error;
    }
  }

  async function once(id: string, job: Job, signal: AbortSignal): Promise<Ending> {
    const watching = new AbortController();
    const end = ending(id, {
      about: aboutJob(job),
      signal: AbortSignal.any([signal, watching.signal]),
      onProgress: (data) => {
        const progress = progressSchema.safeParse(data);
        if (progress.success) onProgress?.(job, progress.data);
      },
      onWaiting: noticeAbsence,
    });
    end.catch(() => {}); // heard below, once the job is there
    try {
      await put(id, job);
      return await end;
    } finally {
      watching.abort();
      if (signal.aborted) track(withdraw(id));
    }
  }

  /** What failed before may go well now; what was judged for a client that is gone needs no second judgement. */
  async function put(id: string, job: Job): Promise<void> {
    if ((await queue.getJobState(id)) === 'failed') await queue.remove(id);
    await queue.add('judge', packJob(job, kval), {
      jobId: id,
      attempts: tries,
      backoff: { type: 'fixed', delay: 1_000 },
      removeOnComplete: { age: keptSeconds },
      removeOnFail: { age: keptSeconds },
    });
  }

  /** Nobody here waits for it any more: it leaves the queue, or its worker is told to stop. */
  async function withdraw(id: string): Promise<void> {
    if ((await queue.remove(id)) === 1) return;
    await orders.publishEvent({ eventName: 'cancel', jobId: id });
  }

  async function contact(): Promise<void> {
    reached ??= reach([queue, events], address).catch((thrown: unknown) => {
      reached = undefined;
      throw thrown;
    });
    await reached;
  }

  function noticeAbsence(): void {
    const words = `no worker serves the queue ${lane} at ${address.words}; its jobs wait for one`;
    queue.getWorkersCount().then(
      (workers) => workers === 0 && notice(words),
      () => {},
    );
  }

  function track(work: Promise<void>): void {
    const tracked = work.catch(() => {}).finally(() => leaving.delete(tracked));
    leaving.add(tracked);
  }

  async function close(): Promise<void> {
    for (const one of asked.values()) one.stop.abort();
    if (reached !== undefined) {
      await new Promise(setImmediate); // what was told to stop begins to leave
      await withinMs(goodbyeMs, Promise.all(leaving));
    }
    address.end();
    await withinMs(goodbyeMs, Promise.allSettled([queue.close(), events.close(), orders.close()]));
  }

  return { ask, close };
}

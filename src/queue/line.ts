import { Queue, QueueEvents, QueueEventsProducer } from 'bullmq';
import { KvalError } from '../errors.js';
import { leavable, throwIfAborted } from '../worker/interrupt.js';
import { type Progress, progressSchema } from '../worker/protocol.js';
import { noticeOnce, type QueueAddress, queuePrefix, reach, withinMs } from './connection.js';
import { type Ending, watchEndings } from './endings.js';
import { type Lane, type Order, readFailure } from './message.js';

export interface LineOptions {
  readonly address: QueueAddress;
  /** Told what no verdict tells: Redis is away, no worker is there. */
  readonly onNotice?: (text: string) => void;
}

/** The client's end of one queue. */
export interface Line {
  /** Puts an order there and waits for what a worker answers, not read yet. The same asked for twice is done once. */
  ask(order: Order, signal: AbortSignal | undefined, onProgress?: (progress: Progress) => void): Promise<unknown>;
  /** Throws where Redis does not answer, or no worker serves this queue. */
  reach(): Promise<void>;
  close(): Promise<void>;
}

/** What a client that is gone did not fetch is kept so long. */
const keptSeconds = 24 * 3_600;
const tries = 3;
const goodbyeMs = 3_000;

interface Asked {
  readonly answer: Promise<unknown>;
  readonly stop: AbortController;
  waiting: number;
}

export function openLine(lane: Lane, { address, onNotice }: LineOptions): Line {
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

  const ask: Line['ask'] = (order, signal, onProgress) => {
    const one = asked.get(order.id) ?? begin(order, onProgress);
    one.waiting += 1;
    return leavable(signal, order.about, () => one.answer).finally(() => {
      one.waiting -= 1;
      if (one.waiting === 0) one.stop.abort();
    });
  };

  function begin(order: Order, onProgress?: (progress: Progress) => void): Asked {
    const { id } = order;
    const stop = new AbortController();
    const forget = (): void => {
      if (asked.get(id) === one) asked.delete(id);
    };
    const one: Asked = { stop, waiting: 0, answer: answerOf(order, stop.signal, onProgress).finally(forget) };
    one.answer.catch(() => {}); // whoever waits for it hears of it
    stop.signal.addEventListener('abort', forget, { once: true });
    asked.set(id, one);
    return one;
  }

  async function answerOf(
    order: Order,
    signal: AbortSignal,
    onProgress: ((progress: Progress) => void) | undefined,
  ): Promise<unknown> {
    const { id, about } = order;
    await contact();
    for (;;) {
      throwIfAborted(signal, about);
      const end = await once(order, signal, onProgress);
      // Another client took the result with it: the same is asked for again.
      if (end.kind === 'gone') continue;
      await queue.remove(id);
      if (end.kind === 'completed') return end.value;
      const error = readFailure(end.reason, about);
      // Another client asked for the same, and changed its mind.
      if (error.code !== 'interrupted') throw error;
    }
  }

  async function once(
    order: Order,
    signal: AbortSignal,
    onProgress: ((progress: Progress) => void) | undefined,
  ): Promise<Ending> {
    const watching = new AbortController();
    const end = ending(order.id, {
      about: order.about,
      signal: AbortSignal.any([signal, watching.signal]),
      onProgress: (data) => {
        const progress = progressSchema.safeParse(data);
        if (progress.success) onProgress?.(progress.data);
      },
      onWaiting: noticeAbsence,
    });
    end.catch(() => {}); // heard below, once the order is there
    try {
      await put(order);
      return await end;
    } finally {
      watching.abort();
      if (signal.aborted) track(withdraw(order.id));
    }
  }

  /** What failed before may go well now; what was done for a client that is gone needs not be done again. */
  async function put({ kind, id, data }: Order): Promise<void> {
    if ((await queue.getJobState(id)) === 'failed') await queue.remove(id);
    await queue.add(kind, data, {
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

  const absence = `no worker serves the queue ${lane} at ${address.words}`;

  function noticeAbsence(): void {
    queue.getWorkersCount().then(
      (workers) => workers === 0 && notice(`${absence}; its jobs wait for one`),
      () => {},
    );
  }

  async function reachable(): Promise<void> {
    await contact();
    if ((await queue.getWorkersCount()) > 0) return;
    const fix = 'Start one: `kval worker --queue` with the same address.';
    throw new KvalError('endpoint-failed', absence, { fix, retry: true });
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

  return { ask, reach: reachable, close };
}

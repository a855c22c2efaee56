import type { Queue, QueueEvents } from 'bullmq';
import { interrupted } from '../worker/interrupt.js';

export type Ending =
  | { readonly kind: 'completed'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly reason: string }
  /** Nobody knows it: it was never there, or another client took its result with it. */
  | { readonly kind: 'gone' };

export interface Watch {
  /** Named when the wait is stopped. */
  readonly about: string;
  readonly signal: AbortSignal;
  readonly onProgress: (data: unknown) => void;
  /** Called at times while the job waits to end. */
  readonly onWaiting: () => void;
}

const firstLookMs = 1_000;
const lastLookMs = 15_000;

/** How jobs of a queue end: told by its events; a look now and then finds what an absence of Redis swallowed. */
export function watchEndings(queue: Queue, events: QueueEvents): (id: string, watch: Watch) => Promise<Ending> {
  const watched = new Map<string, Set<{ settle(end: Ending): void; progress(data: unknown): void }>>();
  const tell = (id: string, end: Ending): void => {
    for (const one of watched.get(id) ?? []) one.settle(end);
  };
  events.on('completed', ({ jobId, returnvalue }) => tell(jobId, { kind: 'completed', value: returnvalue }));
  events.on('failed', ({ jobId, failedReason }) => tell(jobId, { kind: 'failed', reason: failedReason }));
  events.on('removed', ({ jobId }) => tell(jobId, { kind: 'gone' }));
  events.on('progress', ({ jobId, data }) => {
    for (const one of watched.get(jobId) ?? []) one.progress(data);
  });

  return (id, { about, signal, onProgress, onWaiting }) =>
    new Promise((resolve, reject) => {
      let pause = firstLookMs;
      let timer = setTimeout(look, pause);
      const one = { settle, progress: onProgress };
      const same = watched.get(id) ?? new Set();
      watched.set(id, same.add(one));
      signal.addEventListener('abort', abort, { once: true });
      if (signal.aborted) abort();

      function look(): void {
        void stateOf(queue, id)
          .catch(() => null)
          .then((found) => {
            if (!same.has(one)) return;
            if (found !== null) return settle(found);
            onWaiting();
            pause = Math.min(2 * pause, lastLookMs);
            timer = setTimeout(look, pause);
          });
      }
      function settle(end: Ending): void {
        stop();
        resolve(end);
      }
      function abort(): void {
        stop();
        reject(interrupted(about));
      }
      function stop(): void {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        same.delete(one);
        if (same.size === 0 && watched.get(id) === same) watched.delete(id);
      }
    });
}

async function stateOf(queue: Queue, id: string): Promise<Ending | null> {
  const state = await queue.getJobState(id);
  if (state === 'unknown') return { kind: 'gone' };
  if (state !== 'completed' && state !== 'failed') return null;
  const found = await queue.getJob(id);
  if (found === undefined) return { kind: 'gone' };
  return state === 'completed'
    ? { kind: 'completed', value: found.returnvalue }
    : { kind: 'failed', reason: found.failedReason ?? '' };
}

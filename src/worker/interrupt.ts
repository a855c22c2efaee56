import { setMaxListeners } from 'node:events';
import { KvalError } from '../errors.js';

/** What every wait throws once its signal is aborted. */
export function interrupted(what: string, cause?: unknown): KvalError {
  return new KvalError('interrupted', `${what} was stopped before it was finished`, { cause });
}

export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw interrupted(what, signal.reason);
}

/** Waits, or throws `interrupted` as soon as the signal says so. */
export async function wait(ms: number, signal: AbortSignal | undefined, what: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await leavable(signal, what, () => new Promise<void>((resolve) => (timer = setTimeout(resolve, ms))));
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Work that may be left while it has not begun: until it calls `begin`, an abort rejects at once; afterwards the work
 * itself must see to it.
 */
export function leavable<T>(
  signal: AbortSignal | undefined,
  what: string,
  work: (begin: () => void) => Promise<T>,
): Promise<T> {
  if (signal === undefined) return work(() => {});
  return new Promise<T>((resolve, reject) => {
    throwIfAborted(signal, what);
    // One signal may stop a whole queue: its many listeners are no leak.
    setMaxListeners(0, signal);
    const leave = () => reject(interrupted(what, signal.reason));
    const stay = () => signal.removeEventListener('abort', leave);
    signal.addEventListener('abort', leave, { once: true });
    work(stay).then(resolve, reject).finally(stay);
  });
}

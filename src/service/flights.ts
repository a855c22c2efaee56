import { KvalError } from '../errors.js';

/** Work that several callers may wait for and that is done once. */
export interface Flights<T> {
  /**
   * The work named `key`: begun, or joined where it has begun. A caller whose signal aborts leaves it, and it is stopped
   * when the last has left; one whose time is up gets the error `deadline`, and the work goes on.
   */
  join(
    key: string,
    begin: (signal: AbortSignal) => Promise<T>,
    call?: { readonly signal?: AbortSignal; readonly deadlineMs?: number },
  ): Promise<T>;
  size(): number;
}

interface Flight<T> {
  readonly done: Promise<T>;
  readonly stop: AbortController;
  waiting: number;
}

/** At most `limit` different works at once; one more is `busy`. */
export function openFlights<T>(limit: number): Flights<T> {
  const flights = new Map<string, Flight<T>>();

  const begin = (key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> => {
    if (flights.size >= limit) throw new KvalError('busy', `${limit} kernels are waiting already`, { retry: true });
    const stop = new AbortController();
    const done = work(stop.signal).finally(() => {
      if (flights.get(key) === flight) flights.delete(key);
    });
    const flight: Flight<T> = { done, stop, waiting: 0 };
    flights.set(key, flight);
    return flight;
  };

  return {
    size: () => flights.size,
    async join(key, work, { signal, deadlineMs } = {}) {
      signal?.throwIfAborted();
      const flight = flights.get(key) ?? begin(key, work);
      flight.waiting += 1;
      const leave = (): void => {
        flight.waiting -= 1;
        if (flight.waiting > 0) return;
        flight.stop.abort(new KvalError('interrupted', 'nobody waits for this verdict any more'));
        // Whoever asks next begins anew rather than join what is being stopped.
        if (flights.get(key) === flight) flights.delete(key);
      };
      return new Promise<T>((resolve, reject) => {
        const late =
          deadlineMs === undefined
            ? undefined
            : setTimeout(() => {
                signal?.removeEventListener('abort', gone);
                reject(new KvalError('deadline', `no verdict within ${deadlineMs} ms`, { retry: true }));
              }, deadlineMs);
        const gone = (): void => {
          clearTimeout(late);
          leave();
          reject(new KvalError('interrupted', 'the caller is gone', { cause: signal?.reason }));
        };
        signal?.addEventListener('abort', gone, { once: true });
        const settle = (): void => {
          clearTimeout(late);
          signal?.removeEventListener('abort', gone);
        };
        flight.done.then(
          (value) => {
            settle();
            resolve(value);
          },
          (thrown: unknown) => {
            settle();
            reject(thrown);
          },
        );
      });
    },
  };
}

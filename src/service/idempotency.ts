import { LRUCache } from 'lru-cache';
import { KvalError } from '../errors.js';
import { sha256 } from '../problem.js';

/** Answers by the `Idempotency-Key` that their requests bore. */
export interface Idempotency {
  /** The answer that this key has, or is about to have; else the work is done. What failed may be tried again. */
  once<T>(request: Keyed, work: () => Promise<T>): Promise<T>;
}

export interface Keyed {
  /** Null where the client sent none. */
  readonly key: string | null;
  readonly body: unknown;
  readonly signal: AbortSignal;
}

interface Answer {
  readonly body: string;
  readonly done: Promise<unknown>;
}

/** Remembers the latest answers for a day. Answers of different kinds must have different kinds of bodies. */
export function openIdempotency(): Idempotency {
  const answers = new LRUCache<string, Answer>({ max: 10_000, ttl: 24 * 3_600_000 });
  return {
    async once<T>({ key, body, signal }: Keyed, work: () => Promise<T>): Promise<T> {
      if (key === null) return work();
      const hash = bodyHash(body);
      for (let known = answers.get(key); known !== undefined; known = answers.get(key)) {
        if (known.body !== hash) throw otherBody(key);
        const answer = await known.done.then(
          (value) => ({ value }),
          () => null,
        );
        if (answer !== null) return answer.value as T;
        signal.throwIfAborted();
      }
      const done = work();
      const answer = { body: hash, done };
      answers.set(key, answer);
      done.catch(() => {
        if (answers.peek(key) === answer) answers.delete(key);
      });
      return done;
    },
  };
}

export function bodyHash(body: unknown): string {
  return sha256(JSON.stringify(body));
}

export function otherBody(key: string): KvalError {
  return new KvalError('conflict', `the Idempotency-Key ${key} was sent before, with another body`);
}

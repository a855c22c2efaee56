import type { Database } from 'better-sqlite3';
import { z } from 'zod';
import { KvalError } from '../errors.js';
import { sha256 } from '../problem.js';

/** Answers by the `Idempotency-Key` that their requests bore. They outlive the service. */
export interface Idempotency {
  /** The answer that this key has, or is about to have; else the work is done. What failed may be tried again. */
  once<T>(request: Keyed, schema: z.ZodType<T>, work: () => Promise<T>): Promise<T>;
}

export interface Keyed {
  /** Null where the client sent none. */
  readonly key: string | null;
  readonly body: unknown;
  readonly signal: AbortSignal;
}

export interface IdempotencyOptions {
  readonly keepMs?: number;
  /** So many of the latest answers are kept; older ones go before their time. */
  readonly most?: number;
}

const rowSchema = z.object({ body_hash: z.string(), answer: z.string() });

/** An answer is on disk before it is given: whoever asks again gets the same, whatever has happened meanwhile. */
export function openIdempotency(
  database: Database,
  { keepMs = 24 * 3_600_000, most = 100_000 }: IdempotencyOptions = {},
): Idempotency {
  const find = database.prepare('SELECT body_hash, answer FROM answers WHERE idempotency_key = ? AND given_at > ?');
  const insert = database.prepare(
    'INSERT OR REPLACE INTO answers (idempotency_key, body_hash, answer, given_at) VALUES (?, ?, ?, ?)',
  );
  const remove = database.prepare(
    'DELETE FROM answers WHERE given_at <= ? OR number <= (SELECT max(number) FROM answers) - ?',
  );
  const prune = (): void => void remove.run(Date.now() - keepMs, most);
  const atWork = new Map<string, { readonly hash: string; readonly done: Promise<unknown> }>();
  const pruneEvery = Math.ceil(most / 100);
  let given = 0;
  prune();

  const keep = (key: string, hash: string, answer: unknown): void => {
    insert.run(key, hash, JSON.stringify(answer), Date.now());
    given += 1;
    if (given % pruneEvery === 0) prune();
  };

  return {
    async once(request, schema, work) {
      const { key, body, signal } = request;
      if (key === null) return work();
      const hash = bodyHash(body);
      for (;;) {
        const row = rowSchema.safeParse(find.get(key, Date.now() - keepMs)).data;
        const known = row === undefined ? atWork.get(key) : { hash: row.body_hash };
        if (known === undefined) break;
        if (known.hash !== hash) throw otherBody(key);
        if (row !== undefined) return schema.parse(JSON.parse(row.answer));
        // Then its answer is on disk, or there is none.
        await Promise.allSettled([atWork.get(key)?.done]);
        signal.throwIfAborted();
      }
      const done = work().then((answer) => {
        keep(key, hash, answer);
        return answer;
      });
      atWork.set(key, { hash, done });
      return done.finally(() => atWork.delete(key));
    },
  };
}

export function bodyHash(body: unknown): string {
  return sha256(JSON.stringify(body));
}

export function otherBody(key: string): KvalError {
  return new KvalError('conflict', `the Idempotency-Key ${key} was sent before, with another body`);
}

import { randomUUID } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import pLimit from 'p-limit';
import { z } from 'zod';
import { type ErrorCode, KvalError, toKvalError } from '../errors.js';
import { errorReply } from './error-reply.js';
import { bodyHash, otherBody } from './idempotency.js';
import {
  type ErrorReply,
  errorSchema,
  type JudgeRequest,
  judgeRequestSchema,
  type Reply,
  replySchema,
} from './request.js';

export const jobStatusSchema = z.enum(['queued', 'running', 'done', 'failed', 'cancelled']);
export const jobSchema = z.object({
  id: z.string(),
  status: jobStatusSchema,
  url: z.string(),
  result: replySchema.optional(),
  error: errorSchema.shape.error.optional(),
});
export type JobState = z.infer<typeof jobSchema>;

/** Kernels that are judged while nobody waits. What is accepted is on disk: a restart begins again what was not finished. */
export interface Jobs {
  /** Accepts a job, or gives the one that was accepted with the same key and the same request. */
  accept(request: JudgeRequest, key: string | null): JobState;
  /** Throws `not-found`. */
  get(id: string): JobState;
  /** The job when it has changed, or as it is after `waitMs`. */
  changed(seen: JobState, options: { readonly waitMs: number; readonly signal: AbortSignal }): Promise<JobState>;
  cancel(id: string): JobState;
  counts(): Readonly<Record<z.infer<typeof jobStatusSchema>, number>>;
  /** Whether the service is ending. */
  draining(): boolean;
  /** Begins no more of them, ends all waiting, and waits for those at work; the rest is begun at the next start. */
  drain(): Promise<void>;
  /** Stops those at work too, to begin again at the next start. */
  close(): Promise<void>;
}

export interface JobsOptions {
  readonly database: Database;
  readonly judge: (request: JudgeRequest, call: { readonly signal: AbortSignal }) => Promise<Reply>;
  /** How many are at work at once. */
  readonly concurrency: number;
  /** How long what is finished is kept. */
  readonly keepMs?: number;
}

interface Ending {
  readonly status: 'done' | 'failed';
  readonly answer: Reply | ErrorReply['error'];
}

/** Errors of `judge` after which an accepted job waits for its turn. */
const waited: readonly ErrorCode[] = ['busy', 'starting', 'disk-full', 'store-busy'];

const ended = new Set<JobState['status']>(['done', 'failed', 'cancelled']);
export const isEnded = ({ status }: JobState): boolean => ended.has(status);

const rowSchema = z.object({
  id: z.string(),
  idempotency_key: z.string().nullable(),
  body_hash: z.string(),
  request: z.string(),
  status: jobStatusSchema,
  answer: z.string().nullable(),
});

export function openJobs(options: JobsOptions): Jobs {
  const { database, judge, concurrency, keepMs = 24 * 3_600_000 } = options;
  const limit = pLimit(concurrency);
  const stops = new Map<string, AbortController>();
  const watchers = new Map<string, Set<() => void>>();
  const work = new Set<Promise<void>>();
  let draining = false;
  let closed = false;

  const find = database.prepare('SELECT * FROM jobs WHERE id = ?');
  const findByKey = database.prepare('SELECT * FROM jobs WHERE idempotency_key = ?');
  const insert = database.prepare(
    `INSERT INTO jobs (id, idempotency_key, body_hash, request, status, changed_at) VALUES (?, ?, ?, ?, 'queued', ?)`,
  );
  // What has ended stays as it ended, whoever comes later.
  const update = database.prepare(
    `UPDATE jobs SET status = @status, answer = @answer, changed_at = @at
     WHERE id = @id AND status IN ('queued', 'running')`,
  );

  const get = (id: string): JobState => {
    const row = find.get(id);
    if (row !== undefined) return stateOf(row);
    const fix = 'Finished jobs are kept for a day; send the kernel again.';
    throw new KvalError('not-found', `there is no job ${id}`, { fix });
  };
  const put = (id: string, status: JobState['status'], answer: Reply | ErrorReply['error'] | null = null): void => {
    update.run({ id, status, answer: answer === null ? null : JSON.stringify(answer), at: Date.now() });
    for (const wake of watchers.get(id) ?? []) wake();
  };

  const begin = (id: string, request: JudgeRequest): void => {
    const stop = new AbortController();
    stops.set(id, stop);
    const done = limit(async () => {
      if (draining || stop.signal.aborted) return;
      await written(() => put(id, 'running'), stop.signal);
      const ending = await endingOf(request, stop.signal);
      if (ending !== null) await written(() => put(id, ending.status, ending.answer), stop.signal);
    })
      // A store that fails for good still has the job as one to begin again.
      .catch(() => {})
      .finally(() => {
        stops.delete(id);
        work.delete(done);
      });
    work.add(done);
  };

  /** How a job ends; null where the service ends before it. */
  const endingOf = async (request: JudgeRequest, signal: AbortSignal): Promise<Ending | null> => {
    for (;;) {
      try {
        return { status: 'done', answer: await judge(request, { signal }) };
      } catch (thrown) {
        const { code } = toKvalError(thrown);
        if (closed || code === 'closing') return null;
        // It was accepted, so it waits for its turn among those who ask and wait, and for who is to judge it.
        if (!waited.includes(code) || signal.aborted) return { status: 'failed', answer: errorReply(thrown).error };
        // The queue empties while the service ends; for the rest the next start waits.
        if (draining && code !== 'busy') return null;
        await pause(200, signal);
      }
    }
  };

  /** A disk that is full, or a file that is busy, is waited for: what was judged is not lost. */
  const written = async (write: () => void, signal: AbortSignal): Promise<void> => {
    for (;;) {
      try {
        return write();
      } catch (thrown) {
        if (!toKvalError(thrown).retry || draining) throw thrown;
        await pause(1_000, signal);
        if (signal.aborted) throw thrown;
      }
    }
  };

  const prune = (): void => {
    database.prepare(`DELETE FROM jobs WHERE answer IS NOT NULL AND changed_at < ?`).run(Date.now() - keepMs);
  };
  prune();
  const pruning = setInterval(prune, Math.min(keepMs, 600_000));
  pruning.unref();
  for (const row of database.prepare(`SELECT * FROM jobs WHERE status IN ('queued', 'running') ORDER BY rowid`).all()) {
    const { id, request } = rowSchema.parse(row);
    begin(id, judgeRequestSchema.parse(JSON.parse(request)));
  }

  const end = async (): Promise<void> => {
    draining = true;
    for (const wakes of watchers.values()) for (const wake of wakes) wake();
    await Promise.all(work);
  };

  return {
    accept(request, key) {
      const hash = bodyHash(request);
      const known = key === null ? undefined : findByKey.get(key);
      if (known !== undefined) {
        if (rowSchema.parse(known).body_hash !== hash) throw otherBody(key ?? '');
        return stateOf(known);
      }
      if (draining) throw new KvalError('closing', 'the service is closing', { retry: true });
      const id = randomUUID();
      insert.run(id, key, hash, JSON.stringify(request), Date.now());
      const accepted = get(id);
      begin(id, request);
      return accepted;
    },
    get,
    async changed(seen, { waitMs, signal }) {
      const now = get(seen.id);
      if (now.status !== seen.status || waitMs === 0 || draining) return now;
      await new Promise<void>((resolve) => {
        const wakes = watchers.get(seen.id) ?? new Set();
        watchers.set(seen.id, wakes);
        const wake = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', wake);
          wakes.delete(wake);
          if (wakes.size === 0) watchers.delete(seen.id);
          resolve();
        };
        const timer = setTimeout(wake, waitMs);
        signal.addEventListener('abort', wake, { once: true });
        wakes.add(wake);
      });
      return get(seen.id);
    },
    cancel(id) {
      get(id);
      put(id, 'cancelled');
      stops.get(id)?.abort(new KvalError('interrupted', 'the job was cancelled'));
      return get(id);
    },
    counts() {
      const counts = { queued: 0, running: 0, done: 0, failed: 0, cancelled: 0 };
      for (const row of database.prepare('SELECT status, count(*) AS n FROM jobs GROUP BY status').all()) {
        const { status, n } = z.object({ status: jobStatusSchema, n: z.int() }).parse(row);
        counts[status] = n;
      }
      return counts;
    },
    draining: () => draining,
    drain: end,
    async close() {
      if (closed) return;
      closed = true;
      clearInterval(pruning);
      for (const stop of stops.values()) stop.abort(new KvalError('closing', 'the service is closing'));
      await end();
    },
  };
}

function stateOf(row: unknown): JobState {
  const { id, status, answer } = rowSchema.parse(row);
  const url = `/v1/jobs/${id}`;
  if (answer === null) return { id, status, url };
  return status === 'done'
    ? { id, status, url, result: replySchema.parse(JSON.parse(answer)) }
    : { id, status, url, error: errorSchema.shape.error.parse(JSON.parse(answer)) };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}

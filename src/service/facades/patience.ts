import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { KvalError, toKvalError } from '../../errors.js';
import { sha256 } from '../../problem.js';
import type { Judge } from '../judge.js';
import type { JudgeRequest, Reply } from '../request.js';

const pauseMs = 50;

/**
 * A verdict for a client that cannot queue by itself: it waits for room, and for who is to judge, as long as there is
 * time, and for the verdict in what is left of it. Throws as `Judge.judge` does.
 */
export async function judgeInTime(
  judge: Judge,
  request: JudgeRequest,
  { signal, deadlineMs }: { readonly signal?: AbortSignal; readonly deadlineMs: number },
): Promise<Reply> {
  const endsAt = performance.now() + deadlineMs;
  const call = signal === undefined ? {} : { signal };
  for (;;) {
    const leftMs = Math.max(endsAt - performance.now(), 1);
    const lastTry = leftMs <= pauseMs;
    try {
      return await judge.judge(request, { ...call, deadlineMs: leftMs, lastTry });
    } catch (thrown) {
      if (!['busy', 'starting'].includes(toKvalError(thrown).code) || lastTry) throw thrown;
      await sleep(pauseMs, undefined, call);
    }
  }
}

/** Whether the client is to blame: asking the same again would change nothing. */
export function isClientFault(thrown: unknown): boolean {
  return ['bad-input', 'not-found', 'usage', 'unauthorised'].includes(toKvalError(thrown).code);
}

/** How often the instrument has failed with the same content, for clients whose training ends with their last try. */
export interface Tries {
  /** Whether this failure falls on the client's last try. It stays so until the content has been judged. */
  usedUp(content: string): boolean;
  judged(content: string): void;
}

export function openTries(most: number): Tries {
  const failures = new LRUCache<string, number>({ max: 20_000, ttl: 3_600_000 });
  return {
    usedUp(content) {
      const count = (failures.get(content) ?? 0) + 1;
      failures.set(content, count);
      return count >= most;
    },
    judged: (content) => void failures.delete(content),
  };
}

/**
 * For clients that ask again and then train on nothing: a failed instrument is 503 until the last try, then the reply
 * with the lowest reward and `infra_ok` 0.
 */
export async function judgeOrFallBack(
  judge: Judge,
  tries: Tries,
  request: JudgeRequest,
  call: Parameters<typeof judgeInTime>[2],
): Promise<Reply> {
  const content = sha256(JSON.stringify(request));
  try {
    const judged = await judgeInTime(judge, request, call);
    tries.judged(content);
    return judged;
  } catch (thrown) {
    if (isClientFault(thrown)) throw thrown;
    if (!tries.usedUp(content)) throw unavailable(thrown);
    return judge.infraReply(thrown, request);
  }
}

/** A failure of the instrument as facades answer it: 503, which every client tries again. */
export function unavailable(thrown: unknown): KvalError {
  const { message, fix } = toKvalError(thrown);
  return new KvalError('instrument', message, { cause: thrown, fix, retry: true });
}

import type { RedisOptions } from 'bullmq';
import { KvalError } from '../errors.js';

/** Where the queues are. `words` is the address as it may be shown: without user and password. */
export interface QueueAddress {
  readonly connection: RedisOptions;
  readonly words: string;
  /** Connections that are lost are not sought again: a Redis that is away must not keep this process. */
  end(): void;
}

/** All keys in Redis begin so. */
export const queuePrefix = 'kval';

const reachMs = 10_000;

/** Reads `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS. No error shows a password. */
export function queueAddress(url: string): QueueAddress {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || !['redis:', 'rediss:'].includes(parsed.protocol) || parsed.hostname === '') {
    throw new KvalError('usage', 'the queue is not a Redis address', {
      fix: 'It looks like redis://host:6379, or rediss://user:password@host:6379/0.',
    });
  }
  let ended = false;
  return {
    words: `${parsed.protocol}//${parsed.host}${parsed.pathname === '/' ? '' : parsed.pathname}`,
    // While Redis is away, commands wait for it: whoever asks can leave at any time.
    connection: {
      url,
      maxRetriesPerRequest: null,
      retryStrategy: (times: number) => (ended ? null : Math.min(times * 200, 2_000)),
    },
    end: () => {
      ended = true;
    },
  };
}

interface Connected {
  on(event: 'error', listener: (error: Error) => void): unknown;
  off(event: 'error', listener: (error: Error) => void): unknown;
  waitUntilReady(): Promise<unknown>;
}

/** The first contact. Throws `endpoint-failed` where nothing answers; later absences are waited out. */
export async function reach(parts: readonly Connected[], { words }: QueueAddress): Promise<void> {
  let why = 'it does not answer';
  let timer: NodeJS.Timeout | undefined;
  let giveUp: () => void = () => {};
  const note = ({ message }: Error): void => {
    why = message;
    if (/^(WRONGPASS|NOAUTH)/.test(message)) giveUp();
  };
  const late = new Promise<never>((_, reject) => {
    giveUp = () => {
      const fix = 'See that Redis runs there, that its password is right, and that a firewall lets this box through.';
      reject(new KvalError('endpoint-failed', `the queue at ${words} cannot be reached: ${why}`, { fix, retry: true }));
    };
    timer = setTimeout(giveUp, reachMs);
  });
  for (const part of parts) part.on('error', note);
  try {
    await Promise.race([Promise.all(parts.map((part) => part.waitUntilReady())), late]);
  } finally {
    clearTimeout(timer);
    for (const part of parts) part.off('error', note);
  }
}

/** Says the same thing at most once in half a minute: an absent server is noticed by every connection. */
export function noticeOnce(onNotice: ((text: string) => void) | undefined): (text: string) => void {
  const said = new Map<string, number>();
  return (text) => {
    const now = Date.now();
    if (now - (said.get(text) ?? 0) < 30_000) return;
    said.set(text, now);
    onNotice?.(text);
  };
}

/** Takes leave of Redis, which may be away for good. */
export async function withinMs(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}

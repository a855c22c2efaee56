import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dir } from 'tmp-promise';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { toKvalError } from '../../src/errors.js';
import { openIdempotency } from '../../src/service/idempotency.js';
import { openJobs } from '../../src/service/jobs.js';
import { judgeRequestSchema, replySchema } from '../../src/service/request.js';
import { openStore, type StoreOptions } from '../../src/service/store.js';
import { openService } from './open.js';

async function open(options: Omit<StoreOptions, 'path'> = {}): Promise<ReturnType<typeof openStore>> {
  const folder = await dir({ unsafeCleanup: true });
  const database = openStore({ path: join(folder.path, 'service.db'), ...options });
  onTestFinished(async () => {
    database.close();
    await folder.cleanup();
  });
  return database;
}

it('keeps answers for their time, the latest of them where there are too many, and no failure', async () => {
  const database = await open();
  const { signal } = new AbortController();
  let made = 0;
  const asked = (key: string, options: Parameters<typeof openIdempotency>[1]) =>
    openIdempotency(database, options).once({ key, body: key, signal }, z.number(), async () => ++made);
  const few = { most: 2 };
  expect([await asked('a', few), await asked('b', few), await asked('c', few)]).toEqual([1, 2, 3]);
  expect([await asked('c', few), await asked('b', few)]).toEqual([3, 2]);
  expect(await asked('a', few)).toBe(4);
  expect(await asked('a', { keepMs: 0 })).toBe(5);
  const failing = openIdempotency(database);
  const failed = { key: 'd', body: 'd', signal };
  await expect(failing.once(failed, z.number(), () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await failing.once(failed, z.number(), async () => 7)).toBe(7);
});

it('accepts no job that a full disk cannot keep, and writes the verdicts of the others once there is room', async () => {
  const service = await openService();
  const request = judgeRequestSchema.parse({ response: 'no code', problem_id: 'starter/level1/7' });
  const reply = replySchema.parse((await service.ask('/v1/validate', { body: request })).json);
  await service.close();
  const database = await open({ maxBytes: 120_000 });
  const jobs = openJobs({ database, judge: async () => reply, concurrency: 2 });
  onTestFinished(() => jobs.close());
  const accepted: string[] = [];
  const fill = (): void => {
    for (;;) accepted.push(jobs.accept(request, null).id);
  };
  expect(toKvalError(thrownBy(fill)).code).toBe('disk-full');
  expect(accepted.length).toBeGreaterThan(10);
  await sleep(0);
  expect(jobs.counts().done).toBeLessThan(accepted.length);
  database.pragma('max_page_count = 100000');
  while (jobs.counts().done < accepted.length) await sleep(20);
  expect(accepted.map((id) => jobs.get(id).result)).toEqual(accepted.map(() => reply));
});

function thrownBy(work: () => void): unknown {
  try {
    work();
  } catch (thrown) {
    return thrown;
  }
  throw new Error('nothing was thrown');
}

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Job, jobKey } from '../../src/candidate.js';
import { KvalError } from '../../src/errors.js';
import { claimExpiryMs } from '../../src/labels/claims.js';
import { type CollectProgress, collect } from '../../src/labels/collect.js';
import { LabelStore } from '../../src/labels/store.js';
import type { Validator } from '../../src/validator/validator.js';
import type { Measured } from '../../src/verdict.js';
import { testFolder } from '../worker/fixture.js';
import { exampleJob, exampleMeasured } from './examples.js';
import { type SecondProcess, secondProcess } from './second-process.js';

let path: string;
let store: LabelStore;
let folder: string;
const others: SecondProcess[] = [];

beforeEach(() => {
  folder = testFolder();
  path = join(folder, 'labels.db');
  store = LabelStore.open(path);
});

afterEach(async () => {
  store.close();
  for (const other of others.splice(0)) {
    other.child.kill('SIGKILL');
    await other.ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

/** A validator whose answers a test chooses; it counts what it was asked. */
function validator(judge: (job: Job, signal: AbortSignal | undefined) => Promise<Measured>) {
  const asked: string[] = [];
  const real: Validator<Measured> = {
    name: 'test',
    validate: (job, options) => {
      asked.push(job.candidate.source.trim());
      return judge(job, options?.signal);
    },
    close: async () => {},
  };
  return { asked, real };
}

const measure = async (job: Job): Promise<Measured> => exampleMeasured(job);
const jobs = (count: number, name = 'job') =>
  Array.from({ length: count }, (_, index) => exampleJob(`${name} ${index}`));
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('every job is labelled once; a second call finds nothing to do', async () => {
  const { asked, real } = validator(measure);
  const given = [...jobs(5), ...jobs(3)];
  const seen: CollectProgress[] = [];
  const first = await collect({ jobs: given, validator: real, store, concurrency: 2, onProgress: (p) => seen.push(p) });
  expect(first).toMatchObject({ total: 5, done: 5, labelled: 5, already: 0, duplicates: 3, failed: 0, stopped: false });
  expect(first.byStatus).toMatchObject({ built: 5, correct: 0 });
  expect(seen.map((progress) => progress.done)).toEqual([1, 2, 3, 4, 5]);
  const second = await collect({ jobs: given, validator: real, store, concurrency: 2 });
  expect(second).toMatchObject({ labelled: 0, already: 5, done: 5 });
  expect(asked).toHaveLength(5);
});

test('as many jobs as asked for are at work at the same time', async () => {
  let now = 0;
  let most = 0;
  const { real } = validator(async (job) => {
    now += 1;
    most = Math.max(most, now);
    await pause(20);
    now -= 1;
    return exampleMeasured(job);
  });
  await collect({ jobs: jobs(9), validator: real, store, concurrency: 3 });
  expect(most).toBe(3);
});

test('a failing instrument is counted, named and no label; the others go on, and the next call tries it again', async () => {
  let broken = true;
  const { real } = validator(async (job) => {
    if (broken && job.candidate.source.includes('job 2')) throw new KvalError('worker-died', 'it died twice');
    return exampleMeasured(job);
  });
  const first = await collect({ jobs: jobs(5), validator: real, store, concurrency: 2 });
  expect(first).toMatchObject({ labelled: 4, failed: 1, done: 5 });
  const failed = jobs(5)[2];
  expect(first.failures).toEqual([
    {
      jobKey: failed && jobKey(failed),
      problemId: 'level1/19',
      candidateHash: failed?.candidate.hash,
      generator: 'tester',
      code: 'worker-died',
      message: 'it died twice',
    },
  ]);
  expect(store.counts().labels).toBe(4);
  broken = false;
  expect(await collect({ jobs: jobs(5), validator: real, store, concurrency: 2 })).toMatchObject({
    labelled: 1,
    already: 4,
  });
});

test('a failure that befalls every job ends it at once; what was measured is kept', async () => {
  const { asked, real } = validator(async (job) => {
    if (asked.length > 3) throw new KvalError('toolchain-missing', 'nvcc is gone');
    return exampleMeasured(job);
  });
  const collecting = collect({ jobs: jobs(100), validator: real, store, concurrency: 1 });
  await expect(collecting).rejects.toMatchObject({ code: 'toolchain-missing' });
  expect(asked).toHaveLength(4);
  expect(store.counts().labels).toBe(3);
});

test('when nothing can be judged any more it says so instead of failing a thousand times', async () => {
  const { asked, real } = validator(async () => {
    throw new KvalError('instrument', 'the GPU fell off the bus');
  });
  const collecting = collect({ jobs: jobs(1_000), validator: real, store, concurrency: 4 });
  await expect(collecting).rejects.toThrowError(/20 jobs in a row could not be judged; the last: the GPU fell/);
  expect(asked.length).toBeLessThan(30);
});

test('an abort stops the jobs at work, keeps what was measured, and gives the rest up for the next call', async () => {
  const stop = new AbortController();
  const { asked, real } = validator(
    (job, signal) =>
      new Promise((resolve, reject) => {
        if (asked.length <= 3) resolve(exampleMeasured(job));
        signal?.addEventListener('abort', () => reject(new KvalError('interrupted', 'stopped')));
        if (asked.length === 5) stop.abort();
      }),
  );
  const first = await collect({ jobs: jobs(20), validator: real, store, concurrency: 2, signal: stop.signal });
  expect(first).toMatchObject({ stopped: true, labelled: 3, failed: 0, failures: [] });
  expect(store.counts().labels).toBe(3);
  const other = LabelStore.open(path);
  expect(
    await collect({ jobs: jobs(20), validator: validator(measure).real, store: other, concurrency: 2 }),
  ).toMatchObject({
    labelled: 17,
    already: 3,
    stopped: false,
  });
  other.close();
});

test('a verdict that comes in spite of the abort is kept', async () => {
  const stop = new AbortController();
  const { real } = validator(async (job) => {
    stop.abort();
    return exampleMeasured(job);
  });
  const report = await collect({ jobs: jobs(5), validator: real, store, concurrency: 1, signal: stop.signal });
  expect(report).toMatchObject({ stopped: true, labelled: 1 });
  expect(store.counts().labels).toBe(1);
});

test('kernels that a device cannot run are passed over, however many; the others get their labels', async () => {
  const { real } = validator(async (job) => {
    if (job.candidate.source.includes('odd')) throw new KvalError('unsupported', 'it takes a texture');
    return exampleMeasured(job);
  });
  const report = await collect({ jobs: [...jobs(30, 'odd'), ...jobs(3)], validator: real, store, concurrency: 1 });
  expect(report).toMatchObject({ labelled: 3, failed: 30, stopped: false });
});

test('two processes on one store share the work, and do none of it twice', async () => {
  const log = join(folder, 'log');
  const go = join(folder, 'go');
  const workers = ['a', 'b'].map((who) => secondProcess('collect-jobs.ts', path, log, who, '40', '30', go));
  others.push(...workers);
  await Promise.all(workers.map((worker) => worker.line('ready')));
  writeFileSync(go, '');
  expect(await Promise.all(workers.map((worker) => worker.ended))).toEqual([0, 0]);
  const done = readFileSync(log, 'utf8').trim().split('\n');
  expect(done).toHaveLength(40);
  expect(new Set(done.map((line) => line.split(' ')[1])).size).toBe(40);
  expect(new Set(done.map((line) => line.split(' ')[0]))).toEqual(new Set(['a', 'b']));
  // Each says that all of them are done, whoever did them.
  for (const worker of workers) expect(worker.lines.at(-1)).toBe('done 40 of 40');
  expect(store.counts().labels).toBe(40);
});

test('what a killed process was at work on is taken over at once, and nothing that it stored is lost', async () => {
  const log = join(folder, 'log');
  const doomed = secondProcess('collect-jobs.ts', path, log, 'doomed', '40', '40');
  others.push(doomed);
  await doomed.line('labelled 5');
  doomed.child.kill('SIGKILL');
  await doomed.ended;
  const before = store.counts().labels;
  expect(before).toBeGreaterThanOrEqual(5);
  expect(before).toBeLessThan(40);
  const { asked, real } = validator(measure);
  const report = await collect({ jobs: jobs(40), validator: real, store, concurrency: 4 });
  expect(report).toMatchObject({ labelled: 40 - before, already: before, elsewhere: 0, done: 40 });
  expect(asked).toHaveLength(40 - before);
  expect(store.verify()).toEqual([]);
});

test('a claim from another machine holds while it gives signs of life, and expires without them', async () => {
  const [job] = jobs(1);
  if (job === undefined) throw new Error('no job');
  expect(store.claim(jobKey(job), 'far away')).toBe('mine');
  const { default: Database } = await import('better-sqlite3');
  const database = new Database(path);
  const set = (ageMs: number) =>
    database.prepare(`UPDATE claims SET host = 'elsewhere', pid = 1, beat_at = ?`).run(Date.now() - ageMs);
  set(1_000);
  expect(store.claim(jobKey(job), 'me')).toBe('taken');
  set(claimExpiryMs + 1_000);
  store.beat('far away');
  expect(store.claim(jobKey(job), 'me')).toBe('taken');
  set(claimExpiryMs + 1_000);
  expect(store.claim(jobKey(job), 'me')).toBe('mine');
  store.release('me');
  expect(database.prepare('SELECT * FROM claims').all()).toEqual([]);
  store.append(exampleMeasured(job), job);
  expect(store.claim(jobKey(job), 'me')).toBe('labelled');
  database.close();
});

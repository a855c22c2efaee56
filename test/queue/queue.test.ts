import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type LocalRedis, noRedis, startRedis } from '../../bench/service/redis.js';
import { type Job, jobKey } from '../../src/candidate.js';
import { packJob, readFailure } from '../../src/queue/message.js';
import { createQueuedValidator, type QueuedOptions, type QueuedValidator } from '../../src/queue/queued.js';
import type { SecondProcess } from '../labels/second-process.js';
import { conforms } from '../validator/conformance.js';
import { testFolder } from '../worker/fixture.js';
import { begun, box, job, kval, startBox, until } from './boxes.js';

/** Each test has a database of its own, so that none takes the jobs of another. */
let redis: LocalRedis;
let databases = 1;
const fresh = (): string => `${redis.url}/${databases++}`;

function client(url: string, changes: Partial<QueuedOptions> = {}): QueuedValidator {
  const validator = createQueuedValidator({ url, kval, ...changes });
  onTestFinished(() => validator.close());
  return validator;
}

async function counts(url: string, lane = 'none'): Promise<Record<string, number>> {
  const queue = new Queue(lane, { connection: { url }, prefix: 'kval' });
  try {
    return await queue.getJobCounts('waiting', 'active', 'delayed', 'completed', 'failed');
  } finally {
    await queue.close();
  }
}

const nothing = { waiting: 0, active: 0, delayed: 0, completed: 0, failed: 0 };

describe.skipIf(noRedis !== null)(`many boxes${noRedis === null ? '' : ` (no Redis: ${noRedis})`}`, () => {
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.stop());

  test('builds go to any box, executions to one with the device; results are fetched once and leave nothing', async () => {
    const url = fresh();
    const stages: string[] = [];
    const validator = client(url, { onProgress: (_, { stage }) => stages.push(stage) });
    await box(url);
    const onGpu = job('fine', { device: 'cuda' });
    const [built, executed, broken] = [
      validator.validate(job('fine')),
      validator.validate(onGpu),
      validator.validate(job('compile-error', { device: 'cuda' })),
    ];
    expect(await built).toMatchObject({ kind: 'measured', fidelity: 'built', outcome: { status: 'built' } });
    // What does not compile asks for no device: no box has one yet.
    expect(await broken).toMatchObject({ fidelity: 'built', outcome: { status: 'compile-error' } });
    expect((await broken).jobKey).toBe(jobKey(job('compile-error', { device: 'cuda' })));
    await until(async () => (await counts(url, 'cuda')).waiting === 1);
    await box(url, { devices: 1, lanes: { cuda: 1 } });
    expect(await executed).toMatchObject({
      fidelity: 'measured',
      jobKey: jobKey(onGpu),
      outcome: { status: 'correct' },
      build: { durationMs: 12.5 },
      execution: { trials: 5 },
      provenance: { device: 'Test GPU', nvcc: '13.0.88' },
    });
    expect(stages).toContain('build');
    expect(stages).toContain('execute');
    expect([await counts(url), await counts(url, 'cuda')]).toEqual([nothing, nothing]);
  });

  test('shapes of a problem are told by any box, and who asks hears where there is none', async () => {
    const url = fresh();
    const validator = client(url);
    await expect(validator.reach()).rejects.toMatchObject({ code: 'endpoint-failed', retry: true });
    await box(url);
    await validator.reach();
    const { problem } = job('fine');
    const shapes = { shapeHash: 's'.repeat(64), smallShapeHash: null };
    expect(await Promise.all([1, 2].map(() => validator.describe(problem)))).toEqual([shapes, shapes]);
    expect(await counts(url)).toEqual(nothing);
  });

  test('two boxes work at the same time, and the same job asked for twice is judged once', async () => {
    const url = fresh();
    const folder = testFolder();
    const validator = client(url);
    await Promise.all([box(url, { lanes: { none: 1 } }), box(url, { lanes: { none: 1 } })]);
    const [log, meeting] = [join(folder, 'log'), testFolder()];
    // Each waits until the other is at work.
    const both = ['one', 'two'].map((name) => validator.validate(job(`meets:${name}:${meeting}`)));
    await Promise.all(both);
    const same = [job(`logs:${log}`), job(`logs:${log}`), job(`logs:${log}`)];
    await Promise.all(same.map((one) => validator.validate(one)));
    expect(begun(log)).toBe(1);
  });

  test('a box killed with -9 loses nothing: its job runs once more, elsewhere', async () => {
    const url = fresh();
    const log = join(testFolder(), 'log');
    const validator = client(url);
    const doomed = await box(url, { lockMs: 1_500 });
    const verdict = validator.validate(job(`logs:${log} sleep:0.5`));
    await until(() => begun(log) === 1);
    doomed.child.kill('SIGKILL');
    await box(url, { lockMs: 1_500 });
    expect(await verdict).toMatchObject({ outcome: { status: 'built' } });
    expect(begun(log)).toBe(2);
    expect(await counts(url)).toEqual(nothing);
  });

  test('a job that ends every box is given up after three of them; one that ends Python workers, too', async () => {
    const url = fresh();
    const validator = client(url);
    const boxes = await Promise.all([1, 2, 3, 4].map(() => box(url, { lockMs: 1_000 })));
    await expect(validator.validate(job('poison'))).rejects.toMatchObject({
      name: 'KvalError',
      code: 'worker-died',
      retry: false,
      message: expect.stringContaining('3 of them'),
    });
    expect(boxes.filter(({ child }) => child.signalCode === 'SIGKILL')).toHaveLength(3);
    await expect(validator.validate(job('dies'))).rejects.toMatchObject({ code: 'worker-died', retry: false });
    expect(await validator.validate(job('fine'))).toMatchObject({ outcome: { status: 'built' } });
    expect(await counts(url)).toEqual(nothing);
  });

  test('what an instrument says arrives: code, message and what to do', async () => {
    const url = fresh();
    const validator = client(url);
    await box(url);
    await expect(validator.validate(job('fails:problem-broken'))).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining('it says problem-broken'),
      fix: expect.stringContaining('kval problems check'),
    });
  });

  test('a client that left finds what was judged meanwhile', async () => {
    const url = fresh();
    const log = join(testFolder(), 'log');
    const asked = job(`logs:${log}`);
    const gone = createQueuedValidator({ url, kval });
    const lost = gone.validate(asked).catch(() => 'left');
    await until(async () => (await counts(url)).waiting === 1);
    const queue = new Queue('none', { connection: { url }, prefix: 'kval' });
    const [waiting] = await queue.getWaiting();
    await gone.close();
    expect(await lost).toBe('left');
    // As if it had been killed: its job is still there.
    await queue.add('judge', packJob(asked, kval), { jobId: waiting?.id ?? '' });
    await box(url);
    await until(async () => (await counts(url)).completed === 1);
    await queue.close();
    await client(url).validate(asked);
    expect(begun(log)).toBe(1);
  });

  test('a box of another version refuses, and says which two versions met; rubbish in the queue does it no harm', async () => {
    const url = fresh();
    await box(url);
    await expect(client(url, { kval: '9.9.9' }).validate(job('fine'))).rejects.toMatchObject({
      code: 'worker-protocol',
      retry: false,
      message: expect.stringMatching(/client is kval 9\.9\.9 .*worker is kval 0\.1\.0/),
    });
    const queue = new Queue('none', { connection: { url }, prefix: 'kval' });
    await queue.add('judge', { ...packJob(job('fine'), kval), protocol: 99 }, { jobId: 'other-protocol' });
    await queue.add('judge', 'rubbish', { jobId: 'rubbish' });
    await queue.add('judge', { ...packJob(job('fine'), kval), job: {} }, { jobId: 'no-job' });
    await until(async () => (await counts(url)).failed === 3);
    const reasons = await Promise.all(
      ['other-protocol', 'rubbish', 'no-job'].map(async (id) =>
        readFailure((await queue.getJob(id))?.failedReason ?? '', 'x'),
      ),
    );
    await queue.close();
    expect(reasons.map(({ code }) => code)).toEqual(['worker-protocol', 'worker-protocol', 'bad-input']);
    expect(reasons[0]?.message).toContain('protocol 99');
    expect(await client(url).validate(job('fine'))).toMatchObject({ outcome: { status: 'built' } });
  });

  test('SIGTERM: a job that ends in time is finished, the others go back for another box', async () => {
    const url = fresh();
    const validator = client(url);
    const [log, meeting] = [join(testFolder(), 'log'), testFolder()];
    const first = await box(url, { drainMs: 2_500 });
    const [short, long] = [
      validator.validate(job(`logs:${log} sleep:0.5`)),
      validator.validate(job(`meets:one:${meeting} logs:${log}`)),
    ];
    await until(() => begun(log) === 1);
    first.child.kill('SIGTERM');
    expect(await short).toMatchObject({ outcome: { status: 'built' } });
    expect(await first.ended).toBe(0);
    expect(JSON.parse(first.lines.at(-1) ?? '')).toEqual({ judged: 1, failed: 0, returned: 1 });
    writeFileSync(join(meeting, 'two'), '');
    await box(url);
    expect(await long).toMatchObject({ outcome: { status: 'built' } });
    expect(begun(log)).toBe(2);
  });

  test('a box whose toolchain is broken leaves, and another does its job', async () => {
    const url = fresh();
    const validator = client(url);
    const tries = join(testFolder(), 'tries');
    // Two failures for each box: its pool tries twice.
    const broken = await box(url);
    const verdict = validator.validate(job(`fails-twice:disk-full:${tries}`));
    expect(await broken.ended).not.toBe(0);
    await box(url);
    expect(await verdict).toMatchObject({ outcome: { status: 'built' } });
  });

  test('the same jobs stopped by one client are still judged for another', async () => {
    const url = fresh();
    const log = join(testFolder(), 'log');
    await box(url, { lanes: { none: 1 } });
    const stop = new AbortController();
    const asked = job(`logs:${log} sleep:1.5`);
    const stopped = client(url).validate(asked, { signal: stop.signal });
    await until(() => begun(log) === 1);
    const kept = client(url).validate(asked);
    // The second client waits for the same job, as Redis tells once it has looked for it.
    await new Promise((resolve) => setTimeout(resolve, 300));
    stop.abort();
    await expect(stopped).rejects.toMatchObject({ code: 'interrupted' });
    expect(await kept).toMatchObject({ outcome: { status: 'built' } });
  });

  describe('of the contract', () => {
    let url: string;
    let suite: SecondProcess;
    beforeAll(async () => {
      url = fresh();
      suite = await startBox(url, { devices: 1 });
    });
    afterAll(() => suite?.child.kill('SIGKILL'));

    conforms('queued, with a box that pretends,', {
      open: async () => createQueuedValidator({ url, kval }),
      good: () => job('fine', { device: 'cuda' }),
      bad: () => job('compile-error', { device: 'cuda' }),
      slow: () => job('sleep:30'),
    });
  });
});

describe.skipIf(noRedis !== null)('Redis', () => {
  test('restarted, in order or not, loses nothing; what is at work ends where it is', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const log = join(testFolder(), 'log');
    const validator = client(server.url);
    await box(server.url, { lanes: { none: 1 } });
    const jobs: Job[] = [job(`logs:${log} sleep:2`), job('fine'), job('compile-error')];
    const verdicts = jobs.map((one) => validator.validate(one));
    await until(() => begun(log) === 1);
    await server.restart();
    expect((await Promise.all(verdicts)).map(({ outcome }) => outcome.status)).toEqual([
      'built',
      'built',
      'compile-error',
    ]);
    expect(begun(log)).toBe(1);
    const more = ['sleep:0.5 a', 'sleep:0.5 b'].map((words) => validator.validate(job(words)));
    await server.crash();
    expect((await Promise.all(more)).map(({ outcome }) => outcome.status)).toEqual(['built', 'built']);
  });

  test('a wrong password is said at once, and shown nowhere', async () => {
    const server = await startRedis({ password: 'right-secret' });
    onTestFinished(() => server.stop());
    const said: string[] = [];
    const wrong = `redis://:wrong-secret@127.0.0.1:${server.port}`;
    const validator = client(wrong, { onNotice: (text) => said.push(text) });
    const thrown = await validator.validate(job('fine')).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ code: 'endpoint-failed', message: expect.stringContaining('WRONGPASS') });
    expect(`${String(thrown)} ${JSON.stringify(thrown)} ${validator.name} ${said.join(' ')}`).not.toContain('secret');
    await box(server.url);
    expect(await client(server.url).validate(job('fine'))).toMatchObject({ outcome: { status: 'built' } });
  });
});

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { InstrumentFailure, startWorker, type WorkerOptions, type WorkerProcess } from '../../src/worker/process.js';
import { build, type Progress } from '../../src/worker/protocol.js';
import { buildParams, fixtureCommand, fixtureOptions, isAlive, testFolder } from './fixture.js';

async function start(name: string, changes: Partial<WorkerOptions> = {}): Promise<WorkerProcess> {
  const worker = await startWorker(fixtureOptions(name, changes));
  onTestFinished(() => worker.close());
  return worker;
}

const error = (code: string, message: RegExp = /./) =>
  expect.objectContaining({ name: 'KvalError', code, message: expect.stringMatching(message) });

function withSource(source: string) {
  return { ...buildParams, candidate: { source, language: 'python' as const }, folder: testFolder() };
}

test('a worker that keeps to the protocol answers, reports progress, and goes quietly', async () => {
  const worker = await start('obedient', { command: fixtureCommand('obedient', '2') });
  expect(worker.hello.devices.map((device) => device.index)).toEqual([0, 1]);
  const heard: Progress[] = [];
  const first = await worker.call(build, withSource('x'), { onProgress: (progress) => heard.push(progress) });
  expect(first.outcome).toEqual({ status: 'built' });
  expect(heard).toEqual([{ type: 'progress', id: '1', stage: 'build', message: 'at work' }]);
  expect((await worker.call(build, withSource('compile-error'))).outcome.status).toBe('compile-error');
  const begin = performance.now();
  await worker.close();
  await worker.close();
  expect(performance.now() - begin).toBeLessThan(2_000);
  expect(await isAlive(worker.pid)).toBe(false);
  await expect(worker.call(build, withSource('x'))).rejects.toEqual(error('interrupted', /closed/));
});

test('a failure that the worker reports is an instrument failure, and the worker goes on', async () => {
  const worker = await start('obedient');
  const failing = worker.call(build, withSource('fails:disk-full'));
  await expect(failing).rejects.toBeInstanceOf(InstrumentFailure);
  await expect(failing).rejects.toMatchObject({ instrument: { code: 'disk-full', retry: false } });
  expect((await worker.call(build, withSource('x'))).outcome.status).toBe('built');
});

test('a worker that never answers is killed after the time limit', async () => {
  const worker = await start('never_answers');
  await expect(worker.call(build, buildParams, { timeoutMs: 200 })).rejects.toEqual(
    error('worker-died', /did not answer "build" within 200 ms/),
  );
  expect(worker.alive).toBe(false);
  expect(await isAlive(worker.pid)).toBe(false);
});

test('a worker that says no hello is killed, and what it wrote is told', async () => {
  await expect(start('says_nothing', { helloTimeoutMs: 500 })).rejects.toEqual(
    error('worker-died', /said nothing for 500 ms[\s\S]*loading the world/),
  );
});

test('a worker that dies midway is reported with its last words and its log', async () => {
  const options = fixtureOptions('dies_midway');
  const worker = await startWorker(options);
  const heard: Progress[] = [];
  await expect(worker.call(build, buildParams, { onProgress: (progress) => heard.push(progress) })).rejects.toEqual(
    error('worker-died', /was killed by SIGKILL[\s\S]*last words[\s\S]*log: /),
  );
  expect(heard).toHaveLength(1);
  const [log] = readdirSync(options.logFolder);
  expect(readFileSync(join(options.logFolder, log ?? ''), 'utf8')).toBe('last words\n');
  await expect(worker.call(build, buildParams)).rejects.toEqual(error('worker-died'));
});

test('half a line is no answer', async () => {
  const worker = await start('half_a_line');
  await expect(worker.call(build, buildParams)).rejects.toEqual(error('worker-died', /ended with status 0/));
});

test.each([
  ['wrong_version', /speaks protocol 2, and this version speaks 1/],
  ['garbage_first', /something else than its hello: "UserWarning/],
])('%s is turned away at the door', async (name, message) => {
  await expect(start(name)).rejects.toEqual(error('worker-protocol', message));
});

test.each([
  ['garbage', /no reply: "Using \/root/],
  ['wrong_shape', /result of "build" is not what it should be[\s\S]*status/],
  ['another_id', /answered request 4711, which nobody is waiting for/],
])('%s breaks the protocol and ends the worker', async (name, message) => {
  const worker = await start(name);
  await expect(worker.call(build, buildParams)).rejects.toEqual(error('worker-protocol', message));
  expect(worker.alive).toBe(false);
  expect(await isAlive(worker.pid)).toBe(false);
});

test('a second answer does not become the answer to the next question', async () => {
  const worker = await start('answers_twice');
  expect((await worker.call(build, buildParams)).outcome.status).toBe('built');
  await expect(worker.call(build, buildParams)).rejects.toEqual(error('worker-protocol', /request 1, which nobody/));
});

test('a flood on stderr blocks nothing and is kept within bounds', async () => {
  const options = fixtureOptions('floods_stderr');
  const worker = await startWorker(options);
  onTestFinished(() => worker.close());
  expect((await worker.call(build, buildParams)).outcome.status).toBe('built');
  const [log] = readdirSync(options.logFolder);
  expect(statSync(join(options.logFolder, log ?? '')).size).toBeLessThan(17 * 2 ** 20);
});

test('a line without an end is cut off', async () => {
  const worker = await start('huge_line', { maxLineBytes: 1_000_000 });
  await expect(worker.call(build, buildParams)).rejects.toEqual(
    error('worker-protocol', /a line of more than 1000000 bytes/),
  );
  expect(await isAlive(worker.pid)).toBe(false);
});

test('a grandchild that holds the pipe holds nobody up, and dies with the worker', async () => {
  const worker = await start('holds_the_pipe');
  const heard: Progress[] = [];
  const begin = performance.now();
  await expect(
    worker.call(build, buildParams, { timeoutMs: 500, onProgress: (progress) => heard.push(progress) }),
  ).rejects.toEqual(error('worker-died'));
  expect(performance.now() - begin).toBeLessThan(10_000);
  expect(await isAlive(Number(heard[0]?.message))).toBe(false);
});

test('a worker that ends while a grandchild holds its pipes has ended', async () => {
  const worker = await start('leaves_a_holder');
  const begin = performance.now();
  const heard: Progress[] = [];
  await expect(worker.call(build, buildParams, { onProgress: (progress) => heard.push(progress) })).rejects.toEqual(
    error('worker-died', /ended with status 3/),
  );
  expect(performance.now() - begin).toBeLessThan(10_000);
  process.kill(Number(heard[0]?.message), 'SIGKILL');
});

test('a request that is cancelled ends as interrupted, and the worker lives on', async () => {
  const worker = await start('obedient');
  const stop = new AbortController();
  const call = worker.call(build, withSource('sleep:30'), { signal: stop.signal, onProgress: () => stop.abort() });
  await expect(call).rejects.toEqual(error('interrupted'));
  expect(worker.alive).toBe(true);
  expect((await worker.call(build, withSource('x'))).outcome.status).toBe('built');
});

test('a worker that does not heed cancel is killed after a grace', async () => {
  const worker = await start('never_answers', { cancelGraceMs: 200 });
  await expect(worker.call(build, buildParams, { signal: AbortSignal.timeout(50) })).rejects.toEqual(
    error('interrupted'),
  );
  expect(worker.alive).toBe(false);
  expect(await isAlive(worker.pid)).toBe(false);
});

test('a program that is not there is a missing tool', async () => {
  await expect(startWorker(fixtureOptions('none', { command: ['/no/such/python'] }))).rejects.toEqual(
    error('toolchain-missing', /\/no\/such\/python/),
  );
});

test('a module that is not there says so in the message', async () => {
  const options = fixtureOptions('none', { command: ['python3', '-m', 'no_such_module'] });
  await expect(startWorker(options)).rejects.toEqual(error('worker-died', /No module named no_such_module/));
});

test('the child sees only the environment that it is given', async () => {
  expect(process.env.HOME).toBeDefined();
  const marker = join(testFolder(), 'seen');
  const script = `import os; open(${JSON.stringify(marker)}, 'w').write(' '.join(os.environ))`;
  await startWorker(fixtureOptions('none', { command: ['python3', '-c', script] })).catch(() => {});
  expect(existsSync(marker)).toBe(true);
  expect(readFileSync(marker, 'utf8').split(' ')).not.toContain('HOME');
});

import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openPool, type PoolOptions, type WorkerPool } from '../../src/worker/pool.js';
import { build, execute } from '../../src/worker/protocol.js';
import { sweepScratchFolders } from '../../src/worker/scratch.js';
import { buildParams, fixtureCommand, fixtureEnvironment, isAlive, testFolder } from './fixture.js';

function open(changes: Partial<PoolOptions> = {}): WorkerPool {
  const pool = openPool({
    command: fixtureCommand('obedient', '2'),
    environment: fixtureEnvironment,
    logFolder: join(testFolder(), 'logs'),
    builders: 2,
    retryDelaysMs: [10, 20],
    ...changes,
  });
  onTestFinished(() => pool.close());
  return pool;
}

function ask(pool: WorkerPool, source: string, signal?: AbortSignal) {
  return pool.ask(build, {
    about: `candidate "${source}"`,
    on: 'build',
    params: ({ folder }) => ({ ...buildParams, candidate: { source, language: 'python' as const }, folder }),
    signal,
  });
}

const error = (code: string, message: RegExp = /./) =>
  expect.objectContaining({ name: 'KvalError', code, message: expect.stringMatching(message) });

test('build workers work side by side, and no more of them than were asked for', async () => {
  const pool = open();
  await Promise.all([ask(pool, 'x'), ask(pool, 'x')]); // both have started
  const begin = performance.now();
  await Promise.all(Array.from({ length: 4 }, () => ask(pool, 'sleep:0.4')));
  const took = performance.now() - begin;
  expect(took).toBeGreaterThan(790);
});

test('a worker that dies is replaced, and the question asked once more', async () => {
  const pool = open({ builders: 1 });
  const marker = join(testFolder(), 'died');
  expect((await ask(pool, `dies-once:${marker}`)).result.outcome.status).toBe('built');
  expect(existsSync(marker)).toBe(true);
});

test('a candidate that kills two workers is named, and the next one finds a worker', async () => {
  const pool = open({ builders: 1 });
  await expect(ask(pool, 'dies')).rejects.toEqual(
    error('worker-died', /^candidate "dies": build worker 1[\s\S]*SIGKILL[\s\S]*Killed/),
  );
  expect((await ask(pool, 'x')).result.outcome.status).toBe('built');
});

test('a failure that may pass is tried again; one that will not is thrown at once', async () => {
  const pool = open({ builders: 1 });
  const tries = join(testFolder(), 'tries');
  expect((await ask(pool, `fails-twice:out-of-memory:${tries}`)).result.outcome.status).toBe('built');
  expect(readFileSync(tries, 'utf8')).toBe('xxx');
  await expect(ask(pool, 'fails:disk-full')).rejects.toEqual(error('disk-full', /candidate "fails:disk-full"/));
  await expect(ask(pool, 'fails:no-kernel-image')).rejects.toEqual(error('instrument', /no-kernel-image/));
});

test('a failure that does not pass is thrown after the last try', async () => {
  const pool = open({ builders: 1, retryDelaysMs: [10] });
  const tries = join(testFolder(), 'tries');
  await expect(ask(pool, `fails-twice:out-of-memory:${tries}`)).rejects.toEqual(error('instrument', /out-of-memory/));
  expect(readFileSync(tries, 'utf8')).toBe('xx');
});

test('a scratch folder is gone after the work, whatever the worker left in it', async () => {
  const pool = open({ builders: 1 });
  const told = join(testFolder(), 'told');
  await ask(pool, `leaves:artefact.o:${told}`);
  const folder = readFileSync(told, 'utf8');
  expect(folder).toContain(`kval-scratch-${process.pid}-`);
  expect(existsSync(folder)).toBe(false);
  await expect(ask(pool, `leaves:artefact.o:${told} fails:internal`)).rejects.toEqual(error('instrument'));
  await expect(ask(pool, `leaves:artefact.o:${told} dies`)).rejects.toEqual(error('worker-died'));
  expect(existsSync(readFileSync(told, 'utf8'))).toBe(false);
});

test('old scratch folders of dead processes are swept away; those of living ones stay', () => {
  const parent = testFolder();
  const make = (pid: number, ageMs: number) => {
    const folder = join(parent, `kval-scratch-${pid}-abc`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'file'), '');
    utimesSync(folder, (Date.now() - ageMs) / 1000, (Date.now() - ageMs) / 1000);
  };
  make(4_194_304 + 1, 2 * 3_600_000); // above any process id
  make(4_194_304 + 2, 60_000);
  make(process.pid, 2 * 3_600_000);
  sweepScratchFolders(parent);
  expect(readdirSync(parent).sort()).toEqual(
    [`kval-scratch-${process.pid}-abc`, `kval-scratch-${4_194_306}-abc`].sort(),
  );
});

test('who waits in the queue can leave it at once; who is at work is cancelled', async () => {
  const pool = open({ builders: 1 });
  await ask(pool, 'x');
  const stop = new AbortController();
  const working = ask(pool, 'sleep:30', stop.signal);
  const leaving = new AbortController();
  const queued = ask(pool, 'x', leaving.signal);
  leaving.abort();
  await expect(queued).rejects.toEqual(error('interrupted'));
  stop.abort();
  await expect(working).rejects.toEqual(error('interrupted'));
  expect((await ask(pool, 'x')).result.outcome.status).toBe('built');
});

function run(pool: WorkerPool, source: string) {
  return pool.ask(execute, {
    about: source,
    on: 'cuda',
    params: ({ folder, device }) => ({
      ...buildParams,
      candidate: { source, language: 'python' as const },
      problem: { source: '', small: true },
      settings: {
        ...buildParams.settings,
        precision: 'fp32' as const,
        trials: 1,
        timingTrials: 0,
        executeTimeoutMs: 1_000,
        compat: 'kval' as const,
      },
      device: { kind: 'cuda' as const, index: device?.index ?? -1 },
      folder,
    }),
  });
}

test('each device has a worker of its own, and one question at a time', async () => {
  const pool = open();
  const answers = await Promise.all(['sleep:0.3', 'sleep:0.3', 'sleep:0.3'].map((source) => run(pool, source)));
  expect(answers.map((answer) => answer.result.outcome.status)).toEqual(['correct', 'correct', 'correct']);
  expect(new Set(answers.map((answer) => answer.device?.index))).toEqual(new Set([0, 1]));
});

test('several workers of one GPU are asked at the same time', async () => {
  const pool = open({ command: fixtureCommand('obedient', '1'), executorsPerGpu: 2 });
  const meeting = testFolder();
  const answers = await Promise.all(['a', 'b'].map((name) => run(pool, `meets:${name}:${meeting}`)));
  expect(answers.map((answer) => answer.device?.index)).toEqual([0, 0]);
});

test('a device that stays lost is taken out and its questions go to the others; the last one stays', async () => {
  const notices: string[] = [];
  const pool = open({ command: fixtureCommand('obedient', '3'), onNotice: (text) => notices.push(text) });
  const first = await Promise.all(Array.from({ length: 6 }, () => run(pool, 'loses:0 loses:2')));
  expect(first.map((answer) => answer.device?.index)).toEqual([1, 1, 1, 1, 1, 1]);
  expect(notices.sort()).toEqual([
    expect.stringMatching(/worker 1 of cuda:0 is taken out.*device-lost/),
    expect.stringMatching(/worker 1 of cuda:2 is taken out.*device-lost/),
  ]);
  await expect(run(pool, 'loses:1')).rejects.toEqual(error('instrument', /device-lost/));
  expect((await run(pool, 'x')).device?.index).toBe(1);
});

test('who executes in software is another worker than who builds, and says so itself', async () => {
  const pool = open({
    command: fixtureCommand('obedient', '1'),
    cpu: { arguments: ['--cpu-device', '/nowhere'], workers: 2 },
  });
  expect((await pool.hello()).devices.map((device) => device.kind)).toEqual(['cuda']);
  expect((await pool.hello(undefined, 'cpu')).devices.map((device) => device.kind)).toEqual(['cpu']);
  const places: (string | undefined)[] = [];
  const asked = await pool.ask(build, {
    about: 'x',
    on: 'cpu',
    params: ({ folder, device }) => {
      places.push(device?.kind);
      return { ...buildParams, candidate: { source: 'x', language: 'python' as const }, folder };
    },
  });
  expect(places).toEqual(['cpu']);
  expect(asked.device?.name).toBe('Test software');
});

test('without a device nothing can be executed', async () => {
  const pool = open({ command: fixtureCommand('obedient', '0') });
  const asked = pool.ask(execute, {
    about: 'level1/1',
    on: 'cuda',
    params: () => {
      throw new Error('there is no place to ask it');
    },
  });
  await expect(asked).rejects.toEqual(error('device-missing', /level1\/1/));
});

test('closing ends what is at work and what waits, and leaves no process', async () => {
  const pool = open({ builders: 1 });
  await ask(pool, 'x');
  const working = ask(pool, 'sleep:30');
  const waiting = ask(pool, 'sleep:30');
  const refused = [
    expect(working).rejects.toEqual(error('interrupted')),
    expect(waiting).rejects.toEqual(error('interrupted')),
  ];
  await pool.close();
  await pool.close();
  await Promise.all(refused);
  await expect(ask(pool, 'x')).rejects.toEqual(error('interrupted'));
});

test('when this process is killed, its workers end by themselves', async () => {
  const { secondProcess } = await import('../labels/second-process.js');
  const other = secondProcess('../worker/keep-a-worker.ts', JSON.stringify(fixtureCommand('obedient')), testFolder());
  await other.line('worker');
  const pid = Number(other.lines[0]?.split(' ')[1]);
  expect(pid).toBeGreaterThan(1);
  other.child.kill('SIGKILL');
  await other.ended;
  expect(await isAlive(pid)).toBe(false);
});

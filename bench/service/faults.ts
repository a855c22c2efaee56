import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dir } from 'tmp-promise';
import { z } from 'zod';
import type { Config } from '../../src/config.js';
import { openJobs } from '../../src/service/jobs.js';
import { judgeRequestSchema } from '../../src/service/request.js';
import { startBadEngine } from './engine.js';
import type { Kernels } from './kernels.js';
import { type Server, type ServerOptions, startServer } from './server.js';

interface Bench {
  readonly config: Config;
  readonly kernels: Kernels;
}

interface Found {
  readonly passed: boolean;
  readonly what: string;
}

/** Each does one thing to a service and looks at what comes of it. */
export const faults: Readonly<Record<string, (bench: Bench) => Promise<Found>>> = {
  'client gone mid-request': clientGone,
  'slow client': slowClient,
  'oversized and malformed bodies': badBodies,
  'invalid tokens': badTokens,
  'engine hangs': (bench) => badEngine(bench, 'hangs'),
  'engine answers garbage': (bench) => badEngine(bench, 'garbage'),
  'worker killed': workerKilled,
  'disk full': diskFull,
  'SIGTERM under load': terminated,
  'SIGKILL under load, and restart': killed,
};

async function clientGone({ config, kernels }: Bench): Promise<Found> {
  return withServer(config, {}, async (server) => {
    const rounds = 300;
    for (let number = 1; number <= rounds; number += 1) {
      const gone = new AbortController();
      const asked = post(server, '/v1/validate', kernels.body(number), { signal: gone.signal }).catch(() => null);
      await sleep(number % 5);
      gone.abort();
      await asked;
    }
    const { pending } = stateSchema.parse(JSON.parse(await text(server, '/v1/state')));
    const after = await post(server, '/v1/validate', kernels.body(0));
    const exit = await server.stop();
    const what = `${rounds} left; ${pending} kernels pending, the next answered ${after.status}, exit ${exit}`;
    return { passed: pending === 0 && after.status === 200 && exit === 0, what };
  });
}

async function slowClient({ config, kernels }: Bench): Promise<Found> {
  return withServer(config, {}, async (server) => {
    const { port, hostname } = new URL(server.url);
    const startedAt = performance.now();
    const slow = Array.from({ length: 200 }, () => {
      const socket = connect(Number(port), hostname);
      socket.write(
        'POST /v1/validate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{',
      );
      const drip = setInterval(() => socket.write(' '), 1_000);
      return new Promise<void>((resolve) => {
        socket.on('error', () => {});
        socket.on('close', () => {
          clearInterval(drip);
          resolve();
        });
        socket.resume();
      });
    });
    await sleep(1_000);
    const during = await post(server, '/v1/validate', kernels.body(1));
    await Promise.race([Promise.all(slow), sleep(60_000, undefined, { ref: false })]);
    const seconds = (performance.now() - startedAt) / 1_000;
    const what = `200 dripping clients cut off after ${seconds.toFixed(0)} s; another was answered ${during.status} meanwhile`;
    return { passed: during.status === 200 && seconds < 50, what };
  });
}

async function badBodies({ config, kernels }: Bench): Promise<Found> {
  return withServer(config, {}, async (server) => {
    const bodies: readonly [number, string, Record<string, string>?][] = [
      [413, JSON.stringify({ kernel: 'x'.repeat(5 * 2 ** 20), problem_id: kernels.problemId })],
      [400, '{"kernel": '],
      [400, '\u0000\u0001\u0002'],
      [400, '[]'],
      [400, 'null'],
      [400, `${'['.repeat(100_000)}`],
      [400, '{"kernel": "x", "problem_id": 7}'],
      [400, '{"__proto__": {"kernel": "x"}, "problem_id": "level1/1"}'],
      [415, 'kernel=x', { 'content-type': 'application/x-www-form-urlencoded' }],
    ];
    const wrong: string[] = [];
    for (const [status, body, headers] of bodies) {
      const answer = await post(server, '/v1/validate', body, { headers: headers ?? {} }).catch(() => null);
      // Who goes on sending what was refused by its length may find the connection closed before it reads why.
      if (answer === null && status === 413) continue;
      if (answer === null) throw new Error(`no answer to ${body.slice(0, 20)}`);
      const told = errorBody.safeParse(JSON.parse(await answer.text())).success;
      if (answer.status !== status || !told) wrong.push(`${body.slice(0, 20)} got ${answer.status}`);
    }
    const after = await post(server, '/v1/validate', kernels.body(1));
    const what = wrong.length > 0 ? wrong.join('; ') : `${bodies.length} refused with their status and an error body`;
    return { passed: wrong.length === 0 && after.status === 200, what };
  });
}

async function badTokens({ config, kernels }: Bench): Promise<Found> {
  return withServer(config, { environment: { KVAL_TOKEN: 'the-right-token' } }, async (server) => {
    const asked: readonly [number, string, string][] = [
      [401, '', ''],
      [401, '', 'Bearer the-wrong-token'],
      [401, '', 'Bearer the-right-token2'],
      [401, '', 'Basic the-right-token'],
      [401, '/t/the-wrong-token', ''],
      [401, '/t/%00', ''],
      [200, '', 'Bearer the-right-token'],
      [200, '/t/the-right-token', ''],
    ];
    const wrong: string[] = [];
    for (const [status, prefix, authorization] of asked) {
      const headers = authorization === '' ? {} : { authorization };
      const answer = await post(server, `${prefix}/v1/validate`, kernels.body(1), { headers });
      if (answer.status !== status) wrong.push(`${prefix}${authorization} got ${answer.status}`);
    }
    return { passed: wrong.length === 0, what: wrong.length > 0 ? wrong.join('; ') : '6 got 401, 2 got 200' };
  });
}

async function badEngine({ config, kernels }: Bench, manner: 'hangs' | 'garbage'): Promise<Found> {
  const engine = await startBadEngine();
  try {
    return await withServer(config, { args: ['--model', engine.url] }, async (server) => {
      engine.manner = manner;
      const headers = { 'x-kval-deadline-ms': '2000' };
      const answer = await post(server, '/v1/validate', kernels.body(1), { headers });
      const { error } = errorBody.parse(JSON.parse(await answer.text()));
      const wanted = manner === 'hangs' ? [504] : [502, 504];
      const live = await fetch(`${server.url}/livez`);
      let ready = await fetch(`${server.url}/readyz`);
      for (let tries = 0; ready.status !== 503 && tries < 100; tries += 1) {
        await sleep(200);
        ready = await fetch(`${server.url}/readyz`);
      }
      return {
        passed: wanted.includes(answer.status) && live.status === 200 && ready.status === 503,
        what: `${answer.status} ${error.code} (never a verdict); livez ${live.status}, readyz ${ready.status}`,
      };
    });
  } finally {
    await engine.close();
  }
}

async function workerKilled({ config, kernels }: Bench): Promise<Found> {
  const options = { args: ['--device', 'none'], mode: 'real' };
  return withServer(config, options, async (server) => {
    const asked = post(server, '/v1/validate', kernels.body(1));
    await sleep(300);
    const children = execFileSync('pgrep', ['-P', String(server.pid), '-f', 'kval_harness'], { encoding: 'utf8' });
    const pids = children.trim().split('\n').map(Number);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    const answer = await asked;
    const { status } = replyBody.parse(JSON.parse(await answer.text()));
    return {
      passed: answer.status === 200 && status === 'built',
      what: `${pids.length} killed; the verdict came: ${status}`,
    };
  });
}

/** The file of jobs may grow no further: as a full disk says it. */
async function diskFull({ kernels }: Bench): Promise<Found> {
  const folder = await dir({ unsafeCleanup: true });
  const path = join(folder.path, 'service.db');
  const judge = (): Promise<never> => new Promise(() => {});
  const open = (maxBytes: number) => openJobs({ path, judge, concurrency: 1, maxBytes });
  const jobs = open(200_000);
  const accepted: string[] = [];
  let refused = '';
  for (let number = 1; number <= 200 && refused === ''; number += 1) {
    try {
      accepted.push(jobs.accept(judgeRequestSchema.parse(JSON.parse(kernels.body(number))), null).id);
    } catch (thrown) {
      refused = errorCode.safeParse(thrown).data?.code ?? String(thrown);
    }
  }
  const kept = accepted.filter((id) => jobs.get(id).id === id).length;
  await folder.cleanup();
  const what = `${accepted.length} jobs accepted, then ${refused}; ${kept} still there`;
  return { passed: /disk-full|SQLITE_FULL/.test(refused) && kept === accepted.length && kept > 0, what };
}

async function terminated({ config, kernels }: Bench): Promise<Found> {
  return withServer(config, {}, async (server) => {
    const answers = Array.from({ length: 400 }, (_, index) =>
      post(server, '/v1/validate', kernels.body(index + 1)).then(
        ({ status }) => status,
        () => 0,
      ),
    );
    await Promise.race(answers);
    const exit = await server.stop();
    const counts = countBy(await Promise.all(answers));
    const said = Object.entries(counts).map(([status, count]) => `${count} x ${status === '0' ? 'refused' : status}`);
    const proper = Object.keys(counts).every((status) => ['0', '200', '503'].includes(status));
    return { passed: exit === 0 && proper && (counts[200] ?? 0) > 0, what: `${said.join(', ')}; exit ${exit}` };
  });
}

async function killed({ config, kernels }: Bench): Promise<Found> {
  const folder = await dir({ unsafeCleanup: true });
  try {
    const first = await startServer(config, { home: folder.path, args: ['--mode', 'simulated'] });
    const jobs = 200;
    const accepted: string[] = [];
    const sent = Array.from({ length: jobs }, async (_, index) => {
      const headers = { 'idempotency-key': `job-${index}` };
      const answer = await post(first, '/v1/jobs', kernels.body(index + 1), { headers }).catch(() => null);
      if (answer?.status === 202) accepted.push(jobBody.parse(await answer.json()).id);
    });
    while (accepted.length < jobs / 4) await sleep(1);
    const early = await jobsOf(first, accepted.slice(0, 5)).catch(() => []);
    process.kill(first.pid, 'SIGKILL');
    await Promise.all(sent);
    await first.child;
    const second = await startServer(config, { home: folder.path, args: ['--mode', 'simulated'] });
    const answered = await jobsOf(second, accepted);
    const again = await jobsOf(second, accepted);
    const done = answered.filter(({ status }) => status === 'done').length;
    const known = new Map(answered.map((job) => [job.id, JSON.stringify(job.result)]));
    const changed = [...early.filter(({ status }) => status === 'done'), ...again].filter(
      (job) => known.get(job.id) !== JSON.stringify(job.result),
    ).length;
    await second.stop();
    const what = `${accepted.length} accepted before the kill; ${done} answered after it, ${changed} twice differently`;
    return { passed: done === accepted.length && done > 0 && changed === 0, what };
  } finally {
    await folder.cleanup();
  }
}

async function jobsOf(server: Server, ids: readonly string[]): Promise<z.infer<typeof jobBody>[]> {
  const found = [];
  for (const id of ids) found.push(jobBody.parse(JSON.parse(await text(server, `/v1/jobs/${id}?wait=60`))));
  return found;
}

async function withServer(
  config: Config,
  options: Partial<ServerOptions> & { readonly mode?: string },
  look: (server: Server) => Promise<Found>,
): Promise<Found> {
  const folder = await dir({ unsafeCleanup: true });
  const { mode = 'simulated', args = [], ...rest } = options;
  const server = await startServer(config, { ...rest, home: folder.path, args: ['--mode', mode, ...args] });
  try {
    return await look(server);
  } finally {
    server.child.kill('SIGKILL');
    await server.child;
    await folder.cleanup();
  }
}

function post(
  server: Server,
  path: string,
  body: string,
  { headers = {}, signal }: { headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Response> {
  return fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
    ...(signal === undefined ? {} : { signal }),
  });
}

async function text(server: Server, path: string): Promise<string> {
  return (await fetch(`${server.url}${path}`)).text();
}

function countBy(values: readonly number[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

const stateSchema = z.object({ pending: z.int() });
const errorBody = z.object({ error: z.object({ code: z.string(), fix: z.string() }) });
const errorCode = z.object({ code: z.string() });
const replyBody = z.object({ status: z.string() });
const jobBody = z.object({ id: z.string(), status: z.string(), result: z.unknown().optional() });

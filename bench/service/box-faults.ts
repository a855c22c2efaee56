import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { KvalError } from '../../src/errors.js';
import { LabelStore } from '../../src/labels/store.js';
import {
  answeredAnew,
  type Bench,
  countDone,
  type Found,
  jobsOf,
  submit,
  text,
  until,
  withFolder,
  withServer,
} from './asking.js';
import { type LocalRedis, noRedis, startRedis } from './redis.js';
import { type Running, type Server, startWorker } from './server.js';

const jobs = 10;

/** Once in order, once killed, while a worker builds. */
export async function redisRestarted(bench: Bench): Promise<Found> {
  return withBoxes(bench, 1, async ({ redis, ...field }) => {
    const accepted = await submitAll(bench, field.server);
    await atWork(field);
    await redis.restart();
    await until(async () => (await finished(field.server)) > 1);
    await redis.crash();
    return loss(field, accepted, 'restarted in order, then killed');
  });
}

/** One of two, on "another box": a folder, a build cache and a harness of its own. */
export async function boxKilled(bench: Bench): Promise<Found> {
  return withBoxes(bench, 2, async (field) => {
    const accepted = await submitAll(bench, field.server);
    const [doomed] = field.workers;
    if (doomed === undefined) throw new Error('there are two workers');
    await until(() => childrenOf(doomed.pid).length > 0);
    await atWork(field);
    const children = childrenOf(doomed.pid);
    doomed.child.kill('SIGKILL');
    await doomed.child;
    const left = (): number => children.filter((pid) => existsSync(`/proc/${pid}`)).length;
    await until(() => left() === 0);
    const found = await loss(field, accepted, 'one of 2 workers killed with -9');
    return { passed: found.passed && left() === 0, what: `${found.what}; ${left()} of its processes left` };
  });
}

interface Field {
  readonly server: Server;
  readonly workers: readonly Running[];
  /** Where the labels are. */
  readonly home: string;
}

async function withBoxes(
  { config }: Bench,
  count: number,
  look: (field: Field & { readonly redis: LocalRedis }) => Promise<Found>,
): Promise<Found> {
  if (noRedis !== null) throw new KvalError('not-found', `no Redis: ${noRedis}`);
  const redis = await startRedis();
  const workers: Running[] = [];
  try {
    return await withFolder(async (boxes) => {
      const common = ['--queue', redis.url, '--device', 'none'];
      for (let box = 1; box <= count; box += 1) {
        const args = [...common, '--concurrency', '1', '--lock', '5'];
        workers.push(await startWorker(config, { home: join(boxes, String(box)), args }));
      }
      // The service's own box has no harness.
      const environment = { KVAL_PYTHON: 'no-python-here' };
      const found = await withServer(config, { mode: 'real', args: common, environment }, (server, home) =>
        look({ redis, server, workers, home }),
      );
      await Promise.all(workers.map((worker) => worker.stop()));
      return found;
    });
  } finally {
    for (const { child } of workers) child.kill('SIGKILL');
    await redis.stop();
  }
}

async function submitAll({ kernels }: Bench, server: Server): Promise<string[]> {
  const said = await Promise.all(Array.from({ length: jobs }, (_, index) => submit(server, kernels, index + 1)));
  return said.flatMap((one) => (typeof one === 'string' ? [one] : []));
}

/** Once the first verdict is there, the next builds are on their way. */
async function atWork({ server }: Field): Promise<void> {
  if (!(await until(async () => (await finished(server)) > 0, 180))) throw new Error('no job ended within 3 minutes');
}

async function finished(server: Server): Promise<number> {
  const { done } = stateSchema.parse(JSON.parse(await text(server, '/v1/state'))).jobs;
  return done;
}

async function loss({ server, home }: Field, accepted: readonly string[], fault: string): Promise<Found> {
  const first = await jobsOf(server, accepted);
  const changed = answeredAnew(first, await jobsOf(server, accepted));
  const store = LabelStore.open(join(home, 'labels.db'));
  const labels = store.list({ limit: 10 * jobs }).length;
  store.close();
  const done = countDone(first);
  return {
    passed: accepted.length === jobs && done === jobs && changed === 0 && labels === jobs,
    what: `${fault}: ${accepted.length} jobs accepted, ${done} answered, ${changed} twice differently, ${labels} labels`,
  };
}

function childrenOf(pid: number): number[] {
  try {
    return execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map(Number);
  } catch {
    return [];
  }
}

const stateSchema = z.object({ jobs: z.object({ done: z.int() }) });

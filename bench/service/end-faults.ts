import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  answeredAnew,
  type Bench,
  countDone,
  type Found,
  jobsOf,
  post,
  submit,
  withFolder,
  withServer,
} from './asking.js';
import { startServer } from './server.js';

/** A disk of its own, most of it taken by somebody else, who leaves in the end. Needs user namespaces. */
export async function diskFull({ config, kernels }: Bench): Promise<Found> {
  return withFolder(async (disk) => {
    const mount = 'mount -t tmpfs -o size=12m tmpfs "$0" && exec "$@"';
    const within = ['unshare', '-Urm', 'sh', '-c', mount, disk];
    return withServer(config, { within, environment: { KVAL_HOME: disk } }, async (server) => {
      const other = join(`/proc/${server.pid}/root`, disk, 'other');
      await writeFile(other, Buffer.alloc(8 * 2 ** 20));
      const accepted: string[] = [];
      const refused: number[] = [];
      for (let number = 1; number <= 2_000 && refused.length < 3; number += 1) {
        const said = await submit(server, kernels, number);
        if (typeof said === 'string') accepted.push(said);
        else refused.push(said);
      }
      const live = await fetch(`${server.url}/livez`);
      await rm(other);
      const first = await jobsOf(server, accepted);
      const changed = answeredAnew(first, await jobsOf(server, accepted));
      const after = await submit(server, kernels, 3_000);
      const what = `${accepted.length} jobs accepted, then ${refused.join(', ')}, livez ${live.status}; with room again ${countDone(first)} answered, ${changed} twice differently, and the next ${typeof after === 'string' ? 'accepted' : after}`;
      const whole = countDone(first) === accepted.length && accepted.length > 0 && changed === 0;
      const proper = refused.length === 3 && refused.every((status) => status === 507);
      return { passed: whole && proper && live.status === 200 && typeof after === 'string', what };
    });
  });
}

export async function terminated({ config, kernels }: Bench): Promise<Found> {
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

export async function killed({ config, kernels }: Bench): Promise<Found> {
  return withFolder(async (home) => {
    const options = { home, args: ['--mode', 'simulated'] };
    const first = await startServer(config, options);
    const jobs = 200;
    const accepted: string[] = [];
    const sent = Array.from({ length: jobs }, async (_, index) => {
      const said = await submit(first, kernels, index + 1).catch(() => 0);
      if (typeof said === 'string') accepted.push(said);
    });
    while (accepted.length < jobs / 4) await sleep(1);
    const early = await jobsOf(first, accepted.slice(0, 5)).catch(() => []);
    process.kill(first.pid, 'SIGKILL');
    await Promise.all(sent);
    await first.child;
    const second = await startServer(config, options);
    const answered = await jobsOf(second, accepted);
    const changed = answeredAnew(answered, [...early, ...(await jobsOf(second, accepted))]);
    const done = countDone(answered);
    await second.stop();
    const what = `${accepted.length} accepted before the kill; ${done} answered after it, ${changed} twice differently`;
    return { passed: done === accepted.length && done > 0 && changed === 0, what };
  });
}

function countBy(values: readonly number[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

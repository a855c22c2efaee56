import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type Bench, errorBody, type Found, post, until, withServer } from './asking.js';
import { startBadEngine } from './engine.js';

/** It hangs before the service is there, and is mended later. */
export async function lateEngine({ config, kernels }: Bench): Promise<Found> {
  const engine = await startBadEngine();
  engine.manner = 'hangs';
  try {
    return await withServer(config, { args: ['--model', engine.url], until: 'listens' }, async (server) => {
      await until(() => engine.held.size > 0);
      const ready = await fetch(`${server.url}/readyz`);
      const early = await post(server, '/v1/validate', kernels.body(1));
      const { error } = errorBody.parse(JSON.parse(await early.text()));
      engine.manner = 'answers';
      for (const held of engine.held) held.destroy();
      const mended = await until(async () => (await fetch(`${server.url}/readyz`)).status === 200);
      const late = await post(server, '/v1/validate', kernels.body(1));
      const begun = `listens; readyz ${ready.status}, a kernel ${early.status} ${error.code}`;
      return {
        passed: ready.status === 503 && early.status === 503 && mended && late.status === 200,
        what: `${begun}; mended, without a restart: readyz ${mended ? 200 : 503}, a kernel ${late.status}`,
      };
    });
  } finally {
    await engine.close();
  }
}

export async function badEngine({ config, kernels }: Bench, manner: 'hangs' | 'garbage'): Promise<Found> {
  const engine = await startBadEngine();
  try {
    return await withServer(config, { args: ['--model', engine.url] }, async (server) => {
      engine.manner = manner;
      const headers = { 'x-kval-deadline-ms': '2000' };
      const answer = await post(server, '/v1/validate', kernels.body(1), { headers });
      const { error } = errorBody.parse(JSON.parse(await answer.text()));
      const wanted = manner === 'hangs' ? [504] : [502, 504];
      const live = await fetch(`${server.url}/livez`);
      const noticed = await until(async () => (await fetch(`${server.url}/readyz`)).status === 503);
      return {
        passed: wanted.includes(answer.status) && live.status === 200 && noticed,
        what: `${answer.status} ${error.code} (never a verdict); livez ${live.status}, readyz ${noticed ? 503 : 200}`,
      };
    });
  } finally {
    await engine.close();
  }
}

export async function workerKilled({ config, kernels }: Bench): Promise<Found> {
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

const replyBody = z.object({ status: z.string() });

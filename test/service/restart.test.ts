import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dir } from 'tmp-promise';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startBadEngine } from '../../bench/service/engine.js';
import { type Server, startServer } from '../../bench/service/server.js';
import { readConfig } from '../../src/config.js';
import { errorTable } from '../../src/errors.js';
import { writeHandModel } from '../simulator/hand-model.js';
import { answer, kernel, problemId } from './facades/kernel.js';
import { ask, portOf } from './open.js';

const config = readConfig({});
let folder: { path: string; cleanup: () => Promise<void> };
let model: string;
beforeAll(async () => {
  folder = await dir({ unsafeCleanup: true });
  model = join(folder.path, 'model');
  await writeHandModel(model);
});
afterAll(() => folder.cleanup());

async function start(home: string, args: readonly string[], until: 'serves' | 'listens' = 'serves'): Promise<Server> {
  const server = await startServer(config, { home: join(folder.path, home), args, until });
  onTestFinished(async () => {
    server.child.kill('SIGKILL');
    await server.child;
  });
  return server;
}

async function kill(server: Server): Promise<void> {
  server.child.kill('SIGKILL');
  await server.child;
}

describe('kval serve, killed and started again', () => {
  it('gives the answers that keys stand for as it gave them', async () => {
    const args = ['--mode', 'simulated', '--model', model];
    const first = await start('answers', args);
    const body = { kernel, problem_id: problemId, no_cache: true };
    const one = { body, headers: { 'idempotency-key': 'one' } };
    const many = { body: { items: [body, { kernel }] }, headers: { 'idempotency-key': 'one' } };
    const [single, batch] = [
      await ask(`${first.url}/v1/validate`, one),
      await ask(`${first.url}/v1/validate:batch`, many),
    ];
    expect([single.status, batch.status]).toEqual([200, 200]);
    await kill(first);
    const second = await start('answers', args);
    // How long it took is in it, so it is no second verdict.
    expect((await ask(`${second.url}/v1/validate`, one)).text).toBe(single.text);
    expect((await ask(`${second.url}/v1/validate:batch`, many)).text).toBe(batch.text);
    const other = await ask(`${second.url}/v1/validate`, { ...one, body: { ...body, reward: 'kernrl' } });
    expect(other.status).toBe(422);
  });

  it('keeps the mode that a client asked for, until the command line names one', { timeout: 120_000 }, async () => {
    const args = ['--model', model, '--device', 'none'];
    const modeOf = async ({ url }: Server) => (await ask(`${url}/v1/mode`)).json;
    const first = await start('mode', args);
    expect(await modeOf(first)).toMatchObject({ mode: 'real', chosen_by: 'default' });
    const policy = { audit: { share: 0.25 }, escalate: { confidenceBelow: 0.9 } };
    const body = { mode: 'hybrid', policy };
    const put = await ask(`${first.url}/v1/mode`, { method: 'PUT', body });
    expect(put.json).toMatchObject({ mode: 'hybrid', chosen_by: 'request', hybrid: { policy: expect.any(Array) } });
    const names = put.json.hybrid.policy;
    expect(names).toHaveLength(2);
    await kill(first);
    const second = await start('mode', args);
    expect(await modeOf(second)).toMatchObject({ mode: 'hybrid', chosen_by: 'kept', hybrid: { policy: names } });
    await kill(second);
    const third = await start('mode', [...args, '--mode', 'simulated']);
    expect(await modeOf(third)).toMatchObject({ mode: 'simulated', chosen_by: 'command-line' });
    await kill(third);
    expect(await modeOf(await start('mode', args, 'listens'))).toMatchObject({ mode: 'real', chosen_by: 'default' });
  });
});

describe('kval serve, without what judges', () => {
  it('listens while its engine hangs, keeps what it accepts, and judges once the engine is there', async () => {
    const held = new Set<Socket>();
    const hanging = createServer((socket) => held.add(socket.on('error', () => {})));
    await once(hanging.listen(0, '127.0.0.1'), 'listening');
    const port = portOf(hanging.address());
    const { url } = await start(
      'hanging',
      ['--mode', 'simulated', '--model', `http://127.0.0.1:${port}/v1`],
      'listens',
    );
    while (held.size === 0) await sleep(10);

    const ready = await ask(`${url}/readyz`);
    expect([ready.status, ready.json.missing]).toEqual([503, expect.stringContaining(`127.0.0.1:${port}`)]);
    expect((await ask(`${url}/livez`)).status).toBe(200);
    const body = { kernel, problem_id: problemId };
    const refused = await ask(`${url}/v1/validate`, { body });
    expect([refused.status, refused.json.error]).toEqual([
      503,
      expect.objectContaining({ code: 'starting', retry: true }),
    ]);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await ask(`${url}/v1/validate`, { body: { ...body, kernel: 'no' } })).json.status).toBe('invalid');
    const job = (await ask(`${url}/v1/jobs`, { body })).json;
    const waiting = ask(`${url}/slime?format=dict`, { body: { prompt: '', response: answer, label: problemId } });

    hanging.close();
    for (const socket of held) socket.destroy();
    const engine = await startBadEngine({ port });
    onTestFinished(() => engine.close());
    expect((await waiting).json).toMatchObject({ infra_ok: 1, predicted: 1 });
    expect((await ask(`${url}${job.url}?wait=60`)).json).toMatchObject({ status: 'done', result: { predicted: 1 } });
    while ((await ask(`${url}/readyz`)).status !== 200) await sleep(50);
  });

  it('ends when it is told to, though jobs wait, and the next start does them', async () => {
    const first = await start('waiting', ['--mode', 'simulated', '--model', 'http://127.0.0.1:9/v1'], 'listens');
    const job = (await ask(`${first.url}/v1/jobs`, { body: { kernel, problem_id: problemId } })).json;
    expect(await first.stop()).toBe(0);
    const second = await start('waiting', ['--mode', 'simulated', '--model', model]);
    expect((await ask(`${second.url}${job.url}?wait=60`)).json).toMatchObject({ id: job.id, status: 'done' });
  });

  it('ends with the advice for what no waiting mends', async () => {
    const args = ['--mode', 'simulated', '--model', join(folder.path, 'nothing')];
    const { child } = await start('nothing', args, 'listens');
    expect((await child).exitCode).toBe(errorTable['model-missing'].exit);
  });

  it('takes another mode while it waits for the first', { timeout: 120_000 }, async () => {
    const args = ['--mode', 'simulated', '--model', 'http://127.0.0.1:9/v1', '--device', 'none'];
    const server = await start('other', args, 'listens');
    const put = await ask(`${server.url}/v1/mode`, { method: 'PUT', body: { mode: 'real' } });
    expect(put.json).toMatchObject({ mode: 'real', chosen_by: 'request' });
    while ((await ask(`${server.url}/readyz`)).status !== 200) await sleep(50);
    expect(await server.stop()).toBe(0);
  });
});

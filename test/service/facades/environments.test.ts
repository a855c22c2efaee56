import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { openService, type Service } from '../open.js';
import { openFailingJudge } from './failing.js';
import { openHandService } from './hand.js';
import { heldKernel, openHeldService } from './held.js';
import { answer, kernel, problemId } from './kernel.js';

let service: Service;
let failing: Service;
let failingJudge: Awaited<ReturnType<typeof openFailingJudge>>;
beforeAll(async () => {
  service = await openHandService({ token: 'a-long-secret' });
  failingJudge = await openFailingJudge();
  failing = await openService({ judge: failingJudge.judge });
});
afterAll(async () => {
  await service.close();
  await failing.close();
  await failingJudge.close();
});

describe('NeMo-Gym', () => {
  const base = '/t/a-long-secret/nemo-gym';
  const row = { responses_create_params: { input: [] }, verifier_metadata: { problem_id: problemId }, own: 'field' };
  const response = { output: [{ type: 'message', content: [{ type: 'output_text', text: answer }] }] };

  it('seeds a session, judges for its tool, and verifies with the row echoed', async () => {
    const seeded = await service.ask(`${base}/seed_session`, { body: row });
    const cookie = seeded.headers.get('set-cookie')?.split(';')[0] ?? '';
    const tool = await service.ask(`${base}/cuda_code_validator`, { body: { kernel }, headers: { cookie } });
    expect(tool.text.slice(0, 200)).toMatch(/predicted/);
    const { json } = await service.ask(`${base}/verify`, { body: { ...row, response } });
    const { json: own } = await service.ask('/t/a-long-secret/v1/validate', {
      body: { kernel, problem_id: problemId },
    });
    expect(json).toMatchObject({ ...row, response, reward: own.reward, compiled: own.compiled, infra_ok: 1 });
    const { json: means } = await service.ask(`${base}/aggregate_metrics`, {
      body: { verify_responses: [json, json] },
    });
    expect(means.agent_metrics['mean/reward']).toBeCloseTo(json.reward, 12);
    expect((await service.ask(`${base}/reverify_mode`)).json).toBe('stateless');
    expect((await service.ask(`${base}/`)).json).toEqual({ status: 'ok' });
  });

  it('answers a wrong call of its tool in words, for the agent to read', async () => {
    for (const [body, says] of [
      [{}, /kernel/],
      [{ kernel }, /bad-input.*names no problem/],
      [{ kernel, problem_id: 'level9/9' }, /level9/],
    ] as const) {
      const { status, text, headers } = await service.ask(`${base}/cuda_code_validator`, { body });
      expect([status, headers.get('content-type')]).toEqual([200, 'text/plain; charset=utf-8']);
      expect(text).toMatch(/^not judged \(/);
      expect(text).toMatch(says);
    }
  });

  it('marks the row of a failed instrument', async () => {
    const { status, json } = await failing.ask('/nemo-gym/verify', { body: { ...row, response } });
    expect(status).toBe(200);
    expect(json).toMatchObject({ ...row, response, reward: 0, infra_ok: 0, _ng_failure_class: 'judge_failed' });
  });
});

describe('OpenEnv', () => {
  async function talk(url: string, frames: readonly unknown[]) {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`);
    await once(socket, 'open');
    const said = [];
    for (const frame of frames) {
      const next = once(socket, 'message');
      socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
      const [data] = await next;
      said.push(JSON.parse(String(data)));
    }
    const closed = once(socket, 'close');
    socket.send(JSON.stringify({ type: 'close' }));
    await closed;
    return said;
  }
  const reset = { type: 'reset', data: { problem_id: problemId } };
  const step = { type: 'step', data: { code: kernel } };

  it('keeps a session of ten turns', async () => {
    const frames = [reset, ...Array.from({ length: 10 }, () => step), { type: 'state' }];
    const said = await talk(`${service.url}/t/a-long-secret/openenv`, frames);
    expect(said[0].data).toMatchObject({ done: false, observation: { problem_id: problemId, turn: 0, max_turns: 10 } });
    expect(said[1].data.observation).toMatchObject({ turn: 1, compilation_success: true });
    expect(said[10].data).toMatchObject({ done: true, observation: { turn: 10 } });
    expect(said[11]).toMatchObject({ type: 'state', data: { step_count: 10, problem_id: problemId } });
  });

  it('answers a wrong frame with an error frame, and goes on', async () => {
    const said = await talk(`${service.url}/t/a-long-secret/openenv`, [
      '{',
      { type: 'dance' },
      { type: 'step' },
      reset,
    ]);
    expect(said.map(({ type, data }) => data.code ?? type)).toEqual([
      'INVALID_JSON',
      'UNKNOWN_TYPE',
      'VALIDATION_ERROR',
      'observation',
    ]);
  });

  it('says EXECUTION_ERROR where the instrument failed, without counting the turn', async () => {
    const said = await talk(`${failing.url}/openenv`, [reset, step, { type: 'state' }]);
    expect(said[1]).toMatchObject({ type: 'error', data: { code: 'EXECUTION_ERROR' } });
    expect(said[2].data.step_count).toBe(0);
  });

  it('ends a session with the service, and answers first what it had accepted', async () => {
    const held = await openHeldService();
    const open = async () => {
      const socket = new WebSocket(`${held.url.replace('http', 'ws')}/openenv/ws`);
      await once(socket, 'open');
      return { socket, closed: once(socket, 'close') };
    };
    const idle = await open();
    const busy = await open();
    const reset = once(busy.socket, 'message');
    busy.socket.send(JSON.stringify({ type: 'reset', data: { problem_id: problemId } }));
    await reset;
    const answered = once(busy.socket, 'message');
    busy.socket.send(JSON.stringify({ type: 'step', data: { code: heldKernel('step') } }));
    while ((await held.ask('/v1/state')).json.pending === 0) await sleep(5);
    const ended = held.close();
    expect((await idle.closed)[0]).toBe(1001);
    held.release();
    const [data] = await answered;
    expect(JSON.parse(String(data))).toMatchObject({ type: 'observation', data: { observation: { turn: 1 } } });
    expect((await busy.closed)[0]).toBe(1001);
    await ended;
  });

  it("turns away another origin's page", async () => {
    const url = `${service.url.replace('http', 'ws')}/t/a-long-secret/openenv/ws`;
    const foreign = new WebSocket(url, { origin: 'https://example.com' });
    const [error] = await once(foreign, 'error');
    expect(String(error)).toMatch(/403/);
    const own = new WebSocket(url, { origin: 'http://localhost:3000' });
    await once(own, 'open');
    own.close();
    await once(own, 'close');
  });

  it('serves the same over plain HTTP', async () => {
    const ask = (path: string, body?: unknown) =>
      service.ask(`/t/a-long-secret/openenv${path}`, body === undefined ? {} : { body });
    expect((await ask('/reset', {})).json.observation.turn).toBe(0);
    const { json } = await ask('/step', { action: { code: kernel, problem_id: problemId } });
    expect(json.observation).toMatchObject({ problem_id: problemId, compilation_success: true });
    expect((await ask('/mcp', {})).json.jsonrpc).toBe('2.0');
    expect((await ask('/health')).json).toEqual({ status: 'healthy' });
    expect(Object.keys((await ask('/schema')).json)).toEqual(['action', 'observation', 'state']);
  });
});

describe('a service', () => {
  it('closes while a WebSocket is open, and after one that was refused', async () => {
    const closing = await openService({ token: 'a-long-secret' });
    const address = closing.url.replace('http', 'ws');
    const refused = new WebSocket(`${address}/openenv/ws`);
    await expect(once(refused, 'open')).rejects.toThrow(/401/);
    const open = new WebSocket(`${address}/t/a-long-secret/openenv/ws`);
    await once(open, 'open');
    const ended = once(open, 'close');
    await closing.close();
    await ended;
  });

  it('opens no WebSocket for a page of another site', async () => {
    const address = `${service.url.replace('http', 'ws')}/t/a-long-secret/openenv/ws`;
    const foreign = new WebSocket(address, { origin: 'https://elsewhere.example' });
    await expect(once(foreign, 'open')).rejects.toThrow(/403/);
    const own = new WebSocket(address, { origin: 'http://localhost:8700' });
    await once(own, 'open');
    own.close();
  });
});

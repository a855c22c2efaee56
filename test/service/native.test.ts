import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dir } from 'tmp-promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BadEngine, startBadEngine } from '../../bench/service/engine.js';
import { readConfig } from '../../src/config.js';
import { errorSchema, replySchema } from '../../src/service/request.js';
import { openService, type Service } from './open.js';

const kernel = readFileSync(join(readConfig({}).starterCandidatesFolder, '7_ReLU', 'float4.py'), 'utf8');
const problem_id = 'starter/level1/7';
const body = { kernel, problem_id };
/** What a reply says of a kernel, without what differs from one asking to the next. */
const said = ({ duration_ms: _ms, cached: _cached, ...rest }: Record<string, unknown>) => rest;

describe('a service in simulated mode', () => {
  let service: Service;
  beforeAll(async () => {
    service = await openService();
  });
  afterAll(() => service.close());

  it('judges a kernel, and says the same of it again from memory', async () => {
    const first = await service.ask('/v1/validate', { body });
    expect(first.status, first.text).toBe(200);
    expect(replySchema.parse(first.json)).toEqual(first.json);
    expect(first.json).toMatchObject({ mode: 'simulated', predicted: 1, cached: 0, infra_ok: 1, problem_id });
    const second = await service.ask('/v1/validate', { body });
    expect(second.json.cached).toBe(1);
    expect(said(second.json)).toEqual(said(first.json));
    const anew = await service.ask('/v1/validate', { body: { ...body, no_cache: true } });
    expect(anew.json.cached).toBe(0);
  });

  it('takes the reference instead of a problem, and gives details and another reward when asked', async () => {
    const reference = (await service.kval.store()).problem(problem_id)?.source ?? '';
    const named = { kernel, reference, reward: 'fast-p', details: true };
    const { json } = await service.ask('/v1/validate', { body: named });
    expect(json).toMatchObject({ problem_id, reward_name: 'fast-p', details: { kind: 'predicted' } });
    const foreign = { kernel, reference: `${reference}\n# another` };
    expect((await service.ask('/v1/validate', { body: foreign })).json.problem_id).toMatch(/^inline\/level0\/\d+$/);
  });

  it.each([
    ['no block and no code', 'I would rather fuse the loops, since memory is slow.', 0, /no code in the answer/],
    ['nothing at all', '', 0, /no code in the answer/],
    ['two blocks', `First:\n\`\`\`cpp\n__global__ void f() {}\n\`\`\`\nThen:\n\`\`\`python\n${kernel}\`\`\``, 1, /./],
    ['a block of another language', '```rust\nfn main() {}\n```', 0, /ModelNew/],
    ['the wrong class', `\`\`\`python\n${kernel.replaceAll('ModelNew', 'Model2')}\`\`\``, 0, /ModelNew/],
    ['1 MB of text', 'x '.repeat(524_288), 0, /no code in the answer/],
    ['a block that never ends', `\`\`\`python\n${kernel}`, 1, /./],
    ['a block of 1 MB', `\`\`\`python\nclass ModelNew: pass\n#${'x'.repeat(1_000_000)}\n\`\`\``, 0, /the limit is/],
  ])('gives an answer with %s a verdict and a line that helps', async (_, response, known, says) => {
    const { status, json } = await service.ask('/v1/validate', { body: { response, problem_id } });
    expect(status).toBe(200);
    expect(replySchema.parse(json)).toEqual(json);
    expect(json.feedback.slice(0, 200)).toMatch(says);
    expect(json).toMatchObject(known === 1 ? { predicted: 1 } : { status: 'invalid', correct: 0, infra_ok: 1 });
  });

  it('judges many in their order, each with its own error, and none', async () => {
    const items = [body, { kernel }, { response: 'no', problem_id }, { ...body, problem_id: 'level9/9' }, body];
    const { status, json } = await service.ask('/v1/validate:batch', { body: { items, reward: 'kernrl' } });
    expect(status).toBe(200);
    expect(json.results.map((one: Record<string, unknown>) => one.status ?? 'error')).toEqual([
      expect.any(String),
      'error',
      'invalid',
      'error',
      json.results[0].status,
    ]);
    expect(json.results[0].reward_name).toBe('kernrl');
    expect(json.results[1].error.message).toMatch(/problem_id or reference/);
    expect(json.results[3].error.code).toBe('not-found');
    expect((await service.ask('/v1/validate:batch', { body: { items: [] } })).json).toEqual({ results: [] });
  });

  it.each([
    ['JSON that is none', '{"kernel": ', {}, 400, 'bad-input'],
    ['no object', '[]', {}, 400, 'bad-input'],
    ['unknown keys', JSON.stringify({ ...body, foo: 1 }), {}, 400, 'bad-input'],
    ['kernel and response', JSON.stringify({ ...body, response: 'x' }), {}, 400, 'bad-input'],
    ['another type', JSON.stringify(body), { 'content-type': 'text/plain' }, 415, 'bad-input'],
    ['5 MiB', JSON.stringify({ ...body, kernel: 'x'.repeat(5 * 2 ** 20) }), {}, 413, 'bad-input'],
    ['a step that is none', JSON.stringify(body), { 'x-kval-step': 'soon' }, 400, 'bad-input'],
    ['a problem that is none', JSON.stringify({ kernel, problem_id: 'x/y/z' }), {}, 400, 'usage'],
    ['a problem that is not there', JSON.stringify({ kernel, problem_id: 'level1/999' }), {}, 404, 'not-found'],
  ])('answers %s with its status and what to do', async (_, text, headers, status, code) => {
    const answer = await service.ask('/v1/validate', { body: text, headers });
    expect(answer.status, answer.text).toBe(status);
    expect(errorSchema.parse(answer.json).error).toMatchObject({ code, fix: expect.stringMatching(/./) });
  });

  it('keeps the answer of an Idempotency-Key, and refuses another request under it', async () => {
    const headers = { 'idempotency-key': 'k1' };
    const once = { ...body, no_cache: true };
    const [one, two] = await Promise.all([1, 2].map(() => service.ask('/v1/validate', { body: once, headers })));
    expect(two?.json).toEqual(one?.json);
    const other = await service.ask('/v1/validate', { body, headers });
    expect([other.status, other.json.error.code]).toEqual([422, 'conflict']);
    const batch = { items: [once] };
    const [many, again] = await Promise.all(
      [1, 2].map(() => service.ask('/v1/validate:batch', { body: batch, headers })),
    );
    expect(again?.json).toEqual(many?.json);
  });

  it('says what it is: problems, rewards, mode, health, metrics, OpenAPI', async () => {
    const { problems } = (await service.ask('/v1/problems?set=starter&level=1')).json;
    expect(problems.find(({ id }: { id: string }) => id === problem_id)).toMatchObject({
      name: 'ReLU',
      has_small: true,
    });
    expect((await service.ask('/v1/rewards')).json.rewards).toHaveLength(8);
    expect((await service.ask('/v1/mode')).json).toMatchObject({ mode: 'simulated', reward: 'kevin', hybrid: null });
    expect((await service.ask('/health')).json).toEqual({ status: 'healthy' });
    expect((await service.ask('/')).json).toEqual({ status: 'ok' });
    expect((await service.ask('/livez')).status).toBe(200);
    const openapi = (await service.ask('/openapi.json')).json;
    expect(openapi.openapi).toMatch(/^3\.1/);
    expect(openapi.info.version).toBe(service.kval.version);
    expect(Object.keys(openapi.paths)).toEqual(
      expect.arrayContaining(['/v1/validate', '/v1/validate:batch', '/v1/jobs', '/v1/jobs/{id}', '/v1/mode']),
    );
    expect(openapi.paths['/v1/validate'].post.requestBody.content['application/json'].schema.properties).toHaveProperty(
      'problem_id',
    );
    const metrics = (await service.ask('/metrics')).text;
    expect(metrics).toMatch(
      /kval_verdicts_total\{status="[a-z-]+",fidelity="predicted",mode="simulated",cached="0"\} \d+/,
    );
    expect(metrics).toMatch(/kval_request_seconds_count\{route="\/v1\/validate"\} \d+/);
    expect((await service.ask('/nothing')).json.error.code).toBe('not-found');
  });

  it('is ready once its simulator has answered', async () => {
    for (;;) {
      const { status, json } = await service.ask('/readyz');
      if (status === 200) break;
      expect(json.missing).toMatch(/./);
      await sleep(20);
    }
  });

  it('runs a job, whoever waits, and gives its events', async () => {
    const fresh = { ...body, kernel: `${kernel}# a job\n` };
    const accepted = await service.ask('/v1/jobs', { body: fresh, headers: { 'idempotency-key': 'j1' } });
    expect(accepted.status).toBe(202);
    expect(accepted.headers.get('location')).toBe(accepted.json.url);
    const { json } = await service.ask(`${accepted.json.url}?wait=30`);
    expect(json.status).toBe('done');
    expect(replySchema.parse(json.result)).toEqual(json.result);
    const events = await service.ask(`${accepted.json.url}/events`);
    expect(events.headers.get('content-type')).toMatch('text/event-stream');
    expect(events.text).toMatch(/^event: done\ndata: \{"id"/m);
    const again = await service.ask('/v1/jobs', { body: fresh, headers: { 'idempotency-key': 'j1' } });
    expect(again.json).toEqual(json);
    expect((await service.ask('/v1/jobs', { body, headers: { 'idempotency-key': 'j1' } })).status).toBe(422);
    expect((await service.ask('/v1/jobs/nobody')).status).toBe(404);
    expect((await service.ask(accepted.json.url, { method: 'DELETE' })).json.status).toBe('done');
  });
});

describe('a token', () => {
  let service: Service;
  beforeAll(async () => {
    service = await openService({ token: 'right-token' });
  });
  afterAll(() => service.close());

  it.each([
    ['/v1/mode', {}, 401],
    ['/v1/mode', { authorization: 'Bearer wrong-token' }, 401],
    ['/v1/mode', { authorization: 'Basic right-token' }, 401],
    ['/v1/mode', { authorization: 'Bearer right-token' }, 200],
    ['/t/right-token/v1/mode', {}, 200],
    ['/t/wrong-token/v1/mode', {}, 401],
    ['/t/right-token', {}, 200],
    ['/metrics', {}, 401],
    ['/nothing', {}, 401],
    ['/livez', {}, 200],
    ['/health', {}, 200],
  ])('%s with %j is %i', async (path, headers, status) => {
    const answer = await service.ask(path, { headers });
    expect(answer.status).toBe(status);
    if (status === 401) expect(answer.json.error.code).toBe('unauthorised');
    expect(answer.text).not.toContain('right-token');
  });

  it('is wanted before the body is read', async () => {
    expect((await service.ask('/v1/validate', { body: '{"x' })).status).toBe(401);
    expect((await service.ask('/v1/mode', { method: 'PUT', body: { mode: 'real' } })).status).toBe(401);
  });
});

describe('an engine that takes its time', () => {
  let engine: BadEngine;
  let service: Service;
  let home: { path: string; cleanup: () => Promise<void> };
  beforeAll(async () => {
    home = await dir({ unsafeCleanup: true });
    engine = await startBadEngine();
    service = await openService({ config: { mode: 'simulated', model: engine.url }, queueLimit: 2, home: home.path });
    engine.manner = 'hangs';
  });
  afterAll(async () => {
    await engine.close();
    await service.close();
    await home.cleanup();
  });
  const waiting = (name: string, more: Record<string, unknown> = {}) => ({
    ...body,
    kernel: `${kernel}# ${name}\n`,
    ...more,
  });
  const pending = async (): Promise<number> => (await service.ask('/v1/state')).json.pending;
  const until = async (count: number): Promise<void> => {
    while ((await pending()) !== count) await sleep(10);
  };

  it('is told to stop when the client has gone', async () => {
    const gone = new AbortController();
    const asked = service.ask('/v1/validate', { body: waiting('gone'), signal: gone.signal });
    await until(1);
    // The probe's question is there too.
    while (engine.held.size < 2) await pending();
    gone.abort();
    await expect(asked).rejects.toThrow();
    await until(0);
    // It was taken back from the engine too.
    while (engine.held.size > 1) await sleep(10);
  });

  it('is full with two, and says when to come again; who asks for the same joins', async () => {
    const gone = new AbortController();
    const asked = ['one', 'two', 'two'].map((name) =>
      service.ask('/v1/validate', { body: waiting(name), signal: gone.signal }).catch(() => null),
    );
    await until(2);
    const refused = await service.ask('/v1/validate', { body: waiting('three') });
    expect([refused.status, refused.json.error]).toEqual([429, expect.objectContaining({ code: 'busy', retry: true })]);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    gone.abort();
    await Promise.all(asked);
    await until(0);
  });

  it('has no longer than the client gives it', async () => {
    const late = await service.ask('/v1/validate', { body: waiting('late'), headers: { 'x-kval-deadline-ms': '50' } });
    expect([late.status, late.json.error.code]).toEqual([504, 'deadline']);
  });

  it('loses no job: cancelled is cancelled, and the rest begins again after a restart', async () => {
    const cancelled = (await service.ask('/v1/jobs', { body: waiting('cancelled') })).json;
    expect((await service.ask(cancelled.url, { method: 'DELETE' })).json.status).toBe('cancelled');
    const headers = { 'idempotency-key': 'kept' };
    const kept = (await service.ask('/v1/jobs', { body: waiting('kept'), headers })).json;
    expect((await service.ask(`${kept.url}?wait=0.05`)).json).toMatchObject({ id: kept.id, status: 'running' });
    // As after a kill: the file of jobs as it is, and another service in its place.
    const after = await openService({ home: home.path });
    const done = (await after.ask(`${kept.url}?wait=30`)).json;
    expect(done).toMatchObject({ id: kept.id, status: 'done' });
    expect((await after.ask('/v1/jobs', { body: waiting('kept'), headers })).json).toEqual(done);
    expect((await after.ask(cancelled.url)).json.status).toBe('cancelled');
    await after.close();
    await service.ask(kept.url, { method: 'DELETE' });
  });
});

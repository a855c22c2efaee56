import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer } from '../open.js';
import { type HeldService, heldKernel, openHeldService } from './held.js';
import { answer, kernel, problemId, reference } from './kernel.js';

const textOf = (source: string): string => `\`\`\`python\n${source}\`\`\``;
/** How each facade is asked for the verdict of a kernel. */
const facades: Record<string, (source: string) => readonly [path: string, body: object]> = {
  openrlhf: (source) => ['/openrlhf', { query: [textOf(source)], prompts: [''], labels: [problemId] }],
  slime: (source) => ['/slime?format=dict', { prompt: '', response: textOf(source), label: problemId }],
  kernelgym: (source) => [
    '/kernelgym/evaluate',
    { task_id: source.slice(-20), kernel_code: source, reference_code: reference },
  ],
  openenv: (source) => ['/openenv/step', { action: { code: source, problem_id: problemId } }],
};
const names = Object.keys(facades);
const ask = (service: HeldService, name: string, source: string): Promise<Answer> => {
  const [path, body] = facades[name]?.(source) ?? ['', {}];
  return service.ask(path, { body });
};
const verify = {
  responses_create_params: {},
  verifier_metadata: { problem_id: problemId },
  response: { output: [{ type: 'message', content: [{ type: 'output_text', text: textOf(heldKernel('nemo')) }] }] },
};

/** Fills a queue of one: a verdict is made to its end though its caller has given up. */
async function fill(service: HeldService): Promise<void> {
  const body = { kernel: heldKernel('full'), problem_id: problemId };
  const { status } = await service.ask('/v1/validate', { body, headers: { 'x-kval-deadline-ms': '1' } });
  expect([200, 504]).toContain(status);
}

describe('a deadline that passes', () => {
  let real: HeldService;
  let hybrid: HeldService;
  beforeAll(async () => {
    real = await openHeldService({ deadlineMs: 30 });
    hybrid = await openHeldService({ mode: 'hybrid', deadlineMs: 30 });
  });
  afterAll(async () => {
    await real.close();
    await hybrid.close();
  });

  it.each(names)('is 503 in real mode: %s', async (name) => {
    const { status, text } = await ask(real, name, heldKernel(name));
    expect(status, text).toBe(503);
    expect(text).toMatch(/no verdict within/);
  });

  it("is NeMo-Gym's failed row in real mode", async () => {
    const { status, json } = await real.ask('/nemo-gym/verify', { body: verify });
    expect(status).toBe(200);
    expect(json).toMatchObject({ infra_ok: 0, reward: 0, _ng_failure_class: 'judge_failed' });
  });

  it.each(names)("is the simulator's answer in hybrid mode, and says so: %s", async (name) => {
    const { status, text } = await ask(hybrid, name, heldKernel(name));
    expect(status, text).toBe(200);
    // OpenRLHF has numbers alone.
    expect(text).toMatch(name === 'openrlhf' ? /"predicted":\[1\.0\]/ : /"reason":"the harness was not done in time"/);
  });

  it("is the simulator's answer to NeMo-Gym too", async () => {
    const { json } = await hybrid.ask('/nemo-gym/verify', { body: verify });
    expect(json).toMatchObject({ infra_ok: 1, predicted: 1 });
    expect(json).not.toHaveProperty('_ng_failure_class');
  });
});

describe('a full queue', () => {
  it('is waited for, then 503 by a facade, and 429 at once by the native API', async () => {
    const service = await openHeldService({ queueLimit: 1, deadlineMs: 120 });
    try {
      await fill(service);
      const native = await service.ask('/v1/validate', { body: { kernel, problem_id: problemId } });
      expect([native.status, native.json.error.code]).toEqual([429, 'busy']);
      expect(Number(native.headers.get('retry-after'))).toBeGreaterThan(0);
      for (const name of names) {
        const { status, text } = await ask(service, name, kernel);
        expect([status, text]).toEqual([503, expect.stringMatching(/kernels are waiting already/)]);
      }
    } finally {
      await service.close();
    }
  });

  it('with room in time gives the verdict', async () => {
    const service = await openHeldService({ queueLimit: 1 });
    try {
      await fill(service);
      const body = { prompt: '', response: answer, label: problemId };
      const waiting = service.ask('/slime?format=dict', { body });
      await service.turnedAway();
      service.release();
      expect(await waiting).toMatchObject({ status: 200, json: { infra_ok: 1, compiled: 1, reason: '' } });
    } finally {
      await service.close();
    }
  });

  it("has the simulator's answer at the deadline in hybrid mode", async () => {
    const service = await openHeldService({ mode: 'hybrid', queueLimit: 1, deadlineMs: 120 });
    try {
      await fill(service);
      const body = { prompt: '', response: answer, label: problemId };
      const { status, json } = await service.ask('/slime?format=dict', { body });
      expect(status).toBe(200);
      expect(json).toMatchObject({ predicted: 1, reason: 'the harness was not done in time' });
      expect((await service.ask('/v1/validate', { body: { kernel, problem_id: problemId } })).status).toBe(429);
    } finally {
      await service.close();
    }
  });
});

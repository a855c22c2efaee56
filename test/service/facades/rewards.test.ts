import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openService, type Service } from '../open.js';
import { openFailingJudge } from './failing.js';
import { openHandService } from './hand.js';
import { answer, kernel, problemId, reference } from './kernel.js';

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

/** What the facades must agree with, whatever the simulator thinks of the kernel. */
const native = () => service.ask('/t/a-long-secret/v1/validate', { body: { kernel, problem_id: problemId } });

describe('OpenRLHF', () => {
  const prompt = '<|user|>Improve this:\n```python\nclass ModelNew(nn.Module): ...\n```<|assistant|>';
  const ask = (body: unknown) => service.ask('/t/a-long-secret/openrlhf', { body });

  it.each([
    ['an id', problemId],
    ['JSON with an id', JSON.stringify({ problem_id: problemId })],
    ['an object', { reference }],
    ['source', reference],
  ])('takes the problem from a label that is %s, and the kernel from behind the prompt', async (_, label) => {
    const { status, json } = await ask({ query: [`<s>${prompt}${answer}<|end|>`], prompts: [prompt], labels: [label] });
    expect(status).toBe(200);
    const { json: own } = await native();
    expect(json.extra_logs).toMatchObject({ compiled: [own.compiled], p_correct: [own.p_correct], infra_ok: [1] });
    expect([json.rewards, json.scores]).toEqual([[own.reward], [own.score]]);
  });

  it('answers an empty shard with nothing', async () => {
    expect((await ask({ query: [], prompts: [], labels: [] })).json).toEqual({
      rewards: [],
      scores: [],
      extra_logs: {},
    });
  });

  it('has a verdict, and the same numeric columns, for an answer without a kernel', async () => {
    const good = await ask({ query: [`${prompt}${answer}`], prompts: [prompt], labels: [problemId] });
    const none = await ask({ query: [`${prompt}I cannot.`], prompts: [prompt], labels: [problemId], more: 1 });
    expect(none.json.rewards).toEqual([0]);
    expect(Object.keys(none.json.extra_logs)).toEqual(Object.keys(good.json.extra_logs));
    expect(Object.values(none.json.extra_logs).flat().every(Number.isFinite)).toBe(true);
  });

  it('says what is wrong with a label', async () => {
    const { status, json } = await ask({ query: [answer], prompts: [''], labels: [3] });
    expect([status, json.error.code]).toEqual([400, 'bad-input']);
  });

  it('is 503 when the instrument fails, and the lowest reward on the last of five tries', async () => {
    const body = { query: [answer], prompts: [''], labels: [problemId] };
    const statuses = [];
    for (let attempt = 1; attempt <= 4; attempt += 1) statuses.push((await failing.ask('/openrlhf', { body })).status);
    expect(statuses).toEqual([503, 503, 503, 503]);
    const { status, json } = await failing.ask('/openrlhf', { body });
    expect([status, json.rewards, json.scores, json.extra_logs.infra_ok]).toEqual([200, [0], [0], [0]]);
  });
});

describe('slime', () => {
  const body = { prompt: [{ role: 'user', content: 'Write it.' }], response: answer, label: problemId };

  it('answers a number, or the whole reply', async () => {
    const number = await service.ask('/t/a-long-secret/slime', { body });
    expect(number.json).toBe((await native()).json.reward);
    const dict = await service.ask('/t/a-long-secret/slime?format=dict&reward=fast-p', { body });
    expect(dict.json).toMatchObject({ reward_name: 'fast-p', predicted: 1, infra_ok: 1 });
  });

  it('judges an answer of another kind, not refuses it', async () => {
    for (const response of ['', 'words', '```rust\nfn main() {}\n```', kernel.replaceAll('ModelNew', 'Other')]) {
      const { status, json } = await service.ask('/t/a-long-secret/slime', { body: { ...body, response } });
      expect([status, json]).toEqual([200, 0]);
    }
  });

  it('is 503 when the instrument fails, and the lowest reward on the last of ten tries', async () => {
    for (let attempt = 1; attempt <= 9; attempt += 1) {
      expect((await failing.ask('/slime?format=dict', { body })).status).toBe(503);
    }
    const { status, json } = await failing.ask('/slime?format=dict', { body });
    expect([status, json.reward, json.infra_ok, json.status]).toEqual([200, 0, 0, 'infra-error']);
  });
});

import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { EndpointOptions } from '../../src/simulator/openai-endpoint.js';
import { openEndpoints } from '../../src/simulator/openai-endpoints.js';
import { type ChatServer, refuse, startChatServer } from '../generate/chat-server.js';

/** A server that can be told to fail, to refuse, or to hold its answers back. */
interface Engine {
  readonly server: ChatServer;
  mode: 'answers' | 'fails' | 'refuses' | 'holds';
  readonly held: ServerResponse[];
}

const prompts = (engine: Engine): number =>
  engine.server.requests.filter(({ body }) => body.messages[0]?.content !== 'Say hello.').length;

let engines: [Engine, Engine];
beforeEach(async () => {
  engines = [await start('one'), await start('two')];
});
afterEach(() => Promise.all(engines.map(({ server }) => server.close())));

async function start(name: string): Promise<Engine> {
  const engine: Omit<Engine, 'server'> = { mode: 'answers', held: [] };
  const server = await startChatServer(({ body }, response) => {
    if (engine.mode === 'fails') return refuse(response, 503, { message: 'out of order' });
    if (engine.mode === 'refuses') return refuse(response, 400, { message: 'no such thing' });
    const probe = body.messages[0]?.content === 'Say hello.';
    if (engine.mode === 'holds' && !probe) return void engine.held.push(response);
    answer(response, probe ? '{"kval_probe": "kept"}' : name);
  });
  return Object.assign(engine, { server });
}

function answer(response: ServerResponse, content: string): void {
  const logprobs = { content: [{ token: content, logprob: 0, top_logprobs: [] }] };
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop', logprobs }],
    }),
  );
}

const open = (changes: Partial<EndpointOptions> = {}) =>
  openEndpoints({
    baseUrl: engines.map(({ server }) => server.baseUrl).join(' , '),
    model: 'm',
    retries: 0,
    ...changes,
  });
const ask = async (endpoint: Awaited<ReturnType<typeof open>>) =>
  (await endpoint.ask([{ role: 'user', content: 'judge this' }], {}))?.text;

test('a prompt goes to the engine with the fewest in flight', async () => {
  const endpoint = await open();
  const [one, two] = engines;
  one.mode = 'holds';
  const slow = ask(endpoint);
  while (one.held.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  // One at a time: the second engine is free each time, the first never.
  for (let count = 0; count < 5; count++) expect(await ask(endpoint)).toBe('two');
  for (const response of one.held) answer(response, 'one');
  expect(await slow).toBe('one');
  one.mode = 'answers';
  await Promise.all(Array.from({ length: 20 }, () => ask(endpoint)));
  expect(prompts(one)).toBeGreaterThan(5);
  expect(prompts(two)).toBeGreaterThan(10);
});

test('an engine that fails is set aside, its prompts answered elsewhere, and comes back when it is well', async () => {
  const endpoint = await open();
  const [one, two] = engines;
  one.mode = 'fails';
  const said = await Promise.all(Array.from({ length: 12 }, () => ask(endpoint)));
  expect(new Set(said)).toEqual(new Set(['two']));
  const seen = one.server.requests.length;
  for (let count = 0; count < 10; count++) await ask(endpoint);
  expect(one.server.requests.length - seen).toBeLessThanOrEqual(5); // at most one probe, in its four forms
  one.mode = 'answers';
  two.mode = 'fails';
  // The second fails now, so that only a probe of the first, once its rest is over, can bring an answer.
  let back: string | undefined;
  while (back === undefined) {
    back = await ask(endpoint).catch(() => undefined);
    if (back === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(back).toBe('one');
});

test('where none answers, that is said; a prompt that is refused blames no engine', async () => {
  const [one, two] = engines;
  const endpoint = await open();
  one.mode = two.mode = 'refuses';
  await expect(ask(endpoint)).rejects.toMatchObject({ code: 'endpoint-failed' });
  expect(prompts(one) + prompts(two)).toBe(1);
  one.mode = two.mode = 'answers';
  expect(await ask(endpoint)).toMatch(/one|two/);
  one.mode = two.mode = 'fails';
  await expect(ask(endpoint)).rejects.toMatchObject({
    code: 'endpoint-failed',
    retry: true,
    message: expect.stringContaining('none of 2 engines answers'),
  });
  await expect(open()).rejects.toMatchObject({ code: 'endpoint-failed' });
});

test('it opens with those that answer', async () => {
  engines[0].mode = 'fails';
  expect(await ask(await open())).toBe('two');
});

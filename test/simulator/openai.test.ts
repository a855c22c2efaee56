import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { type Job, makeCandidate, settingsSchema } from '../../src/candidate.js';
import { makeProblem } from '../../src/problem.js';
import { openOpenaiSimulator } from '../../src/simulator/openai.js';
import { readAnswer } from '../../src/simulator/openai-answer.js';
import { makeOpenaiCalibration, type OpenaiCalibration } from '../../src/simulator/openai-calibration.js';
import type { EndpointOptions } from '../../src/simulator/openai-endpoint.js';
import { createSimulatedValidator } from '../../src/validator/simulated.js';
import { type ChatRequest, type ChatServer, refuse, startChatServer } from '../generate/chat-server.js';
import { conforms } from '../validator/conformance.js';

const head = (slope: number) =>
  ({ curve: { kind: 'platt', slope, offset: 0 }, basis: 'validation', rows: 10_000 }) as const;

const calibrationOf = (reads: OpenaiCalibration['reads'], model = 'm'): OpenaiCalibration =>
  makeOpenaiCalibration({
    model,
    engine: 'test',
    reads,
    heads: { compiled: head(0.5), correct: head(1) },
    prior: { compiled: 0.7, correctGivenCompiled: 0.4 },
    runtime: { low: 0.5, median: 1.1, high: 2 },
  });

/** What the engines of the field can do; how their answers look is copied from theirs. */
type Engine = 'all' | 'blanks' | 'no schema' | 'refuses schema' | 'no log-probabilities' | 'neither';

interface Behaviour {
  readonly engine?: Engine;
  readonly answer?: (request: ChatRequest) => string;
  readonly finishReason?: string;
}

let server: ChatServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function start({ engine = 'all', answer = verdict, finishReason = 'stop' }: Behaviour = {}): Promise<ChatServer> {
  server = await startChatServer((request, response) => respond(engine, answer, finishReason, request, response));
  return server;
}

function respond(
  engine: Engine,
  answer: (request: ChatRequest) => string,
  finishReason: string,
  request: ChatRequest,
  response: ServerResponse,
): void {
  const { response_format, logprobs } = request.body;
  if (response_format !== undefined && (engine === 'refuses schema' || engine === 'neither')) {
    refuse(response, 422, { message: 'unsupported: response_format' });
    return;
  }
  if (logprobs !== undefined && (engine === 'no log-probabilities' || engine === 'neither')) {
    refuse(response, 400, { message: 'logprobs are not supported' });
    return;
  }
  const probed = request.body.messages[0]?.content === 'Say hello.';
  const keeps = response_format !== undefined && engine !== 'no schema';
  const text = probed
    ? keeps
      ? engine === 'blanks'
        ? '{    \n\n'
        : '{"kval_probe": "kept"}'
      : 'Hello.'
    : answer(request);
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: text },
          finish_reason: probed ? 'stop' : finishReason,
          ...(logprobs === undefined ? {} : { logprobs: { content: tokensOf(text) } }),
        },
      ],
    }),
  );
}

/** 9 in 10 for the word that is said, the rest for the other. */
function tokensOf(text: string): object[] {
  return (text.match(/true|false|[a-z_]+|\d|[^a-z_\d]+/g) ?? []).map((token) => {
    const other = { true: 'false', false: 'true' }[token];
    const said = { token, logprob: other === undefined ? 0 : Math.log(0.9) };
    return {
      ...said,
      top_logprobs: other === undefined ? [said] : [said, { token: other, logprob: Math.log(0.1) }],
    };
  });
}

function verdict(request: ChatRequest): string {
  return request.body.messages[1]?.content.includes('broken')
    ? '{"compiled":false,"correctness":false,"runtime_ms":null}'
    : '{"compiled":true,"correctness":true,"runtime_ms":2}';
}

function jobOf(source: string): Job {
  const problem = makeProblem({ set: 'kernelbench', level: 1, number: 7, name: 'relu.py', source: 'import torch\n' });
  return {
    problem,
    candidate: makeCandidate({ source, problemId: problem.id, language: 'cuda' }),
    settings: settingsSchema.parse({}),
  };
}

const open = async (
  changes: Partial<EndpointOptions> = {},
  reads: OpenaiCalibration['reads'] = 'log-probabilities',
  device: string | null = null,
) =>
  openOpenaiSimulator({
    endpoint: { baseUrl: server?.baseUrl ?? '', model: 'm', retries: 0, ...changes },
    model: 'm',
    calibration: calibrationOf(reads),
    device,
    referenceRuntimeMs: () => 4.4,
  });

const odds = Math.log(9);
const logistic = (score: number) => 1 / (1 + Math.exp(-score));

describe('openOpenaiSimulator', () => {
  it('turns the probabilities of the verdict tokens into calibrated ones', async () => {
    await start();
    const simulator = await open();
    const good = await simulator.predict(jobOf('fine'));
    expect(good.probabilities.compiled).toBeCloseTo(logistic(0.5 * odds));
    expect(good.probabilities.correct).toBeCloseTo(logistic(0.5 * odds) * 0.9);
    expect(good.confidence).toBeCloseTo(Math.max(logistic(0.5 * odds) * 0.9, 1 - logistic(0.5 * odds) * 0.9));
    expect(good.runtimeMs).toEqual({ low: 1, median: expect.closeTo(2.2), high: 4 });
    expect(good.speedup).toBeCloseTo(2);
    const broken = await simulator.predict(jobOf('broken'));
    expect(broken.probabilities.compiled).toBeCloseTo(logistic(-0.5 * odds));
    expect(broken.probabilities.correct).toBeCloseTo(logistic(-0.5 * odds) * 0.4);
    expect(broken.runtimeMs).toBeNull();
  });

  it('asks as the training set asks: one prefix for all, the kernel last, temperature 0', async () => {
    const { requests } = await start();
    const simulator = await open({}, 'log-probabilities', 'NVIDIA H100');
    await simulator.predict(jobOf('fine'));
    const body = requests.at(-1)?.body;
    expect(body).toMatchObject({ temperature: 0, logprobs: true, response_format: { type: 'json_schema' } });
    const call: unknown = JSON.parse(body?.messages[1]?.content ?? '');
    expect(call).toMatchObject({ arguments: { device: 'NVIDIA H100' } });
    expect(body?.messages[1]?.content).toMatch(/"kernel":"fine\\n"\}\}$/);
  });

  it('holds the answer to a kernel that compiles where one was really built', async () => {
    const { requests } = await start();
    const built = await (await open()).predict(jobOf('fine'), { built: true });
    expect(built.probabilities.compiled).toBe(1);
    expect(built.probabilities.correct).toBeCloseTo(0.9);
    expect(JSON.stringify(requests.at(-1)?.body)).toContain('"compiled":{"type":"boolean","enum":[true]}');
  });

  it.each<[Engine, boolean, boolean]>([
    ['all', true, true],
    ['blanks', true, true],
    ['no schema', false, true],
    ['refuses schema', false, true],
    ['no log-probabilities', true, false],
    ['neither', false, false],
  ])('probes an engine (%s) once and uses what it has', async (engine, schema, logprobs) => {
    const { requests } = await start({ engine });
    const simulator = await open({}, logprobs ? 'log-probabilities' : 'answers');
    const probes = requests.length;
    await simulator.predict(jobOf('fine'));
    await simulator.predict(jobOf('broken'));
    expect(requests.length).toBe(probes + 2);
    expect('response_format' in (requests.at(-1)?.body ?? {})).toBe(schema);
    expect('logprobs' in (requests.at(-1)?.body ?? {})).toBe(logprobs);
  });

  it('where only the verdict is known, its probability is what the calibration says of such verdicts', async () => {
    await start({ engine: 'neither' });
    const { probabilities } = await (await open({}, 'answers')).predict(jobOf('fine'));
    expect(probabilities.compiled).toBeCloseTo(logistic(0.5));
    expect(probabilities.correct).toBeCloseTo(logistic(0.5) * logistic(1));
  });

  it('refuses a calibration that was made for an engine with other abilities', async () => {
    await start({ engine: 'neither' });
    await expect(open()).rejects.toMatchObject({ code: 'model-invalid', fix: expect.stringContaining('calibrate') });
  });

  it.each<[string, Behaviour]>([
    ['cut off', { finishReason: 'length' }],
    ['prose', { answer: () => 'It compiles: {"compiled":true}' }],
    ['half a line', { answer: () => '{"compiled":true,"corr' }],
    ['of another type', { answer: () => '{"compiled":"yes"}' }],
    ['impossible', { answer: () => '{"compiled":true,"correctness":true,"runtime_ms":-1}' }],
  ])('an answer that is %s is unsure, never a verdict', async (_, behaviour) => {
    await start(behaviour);
    expect(await (await open()).predict(jobOf('fine'))).toEqual({
      probabilities: { compiled: 0.7, correct: expect.closeTo(0.28) },
      runtimeMs: null,
      speedup: null,
      confidence: 0.5,
    });
  });

  it('a prompt too long for the engine is unsure; any other refusal is an error', async () => {
    let message = "This model's maximum context length is 4096 tokens.";
    server = await startChatServer((request, response) => {
      if (request.body.messages[0]?.content === 'Say hello.') respond('all', verdict, 'stop', request, response);
      else refuse(response, 400, { message });
    });
    const simulator = await open();
    expect((await simulator.predict(jobOf('fine'))).confidence).toBe(0.5);
    message = 'no such adapter';
    await expect(simulator.predict(jobOf('fine'))).rejects.toMatchObject({ code: 'endpoint-failed' });
  });

  it('tries again where the server is busy, and says so when it stays so', async () => {
    let busy = 2;
    server = await startChatServer((request, response) => {
      const passes = busy <= 0 || request.body.messages[0]?.content === 'Say hello.';
      if (!passes) busy -= 1;
      if (passes) respond('all', verdict, 'stop', request, response);
      else refuse(response, 503, { message: 'busy' }, { 'retry-after-ms': '1' });
    });
    const simulator = await open({ retries: 2 });
    expect((await simulator.predict(jobOf('fine'))).probabilities.compiled).toBeGreaterThan(0.5);
    busy = 3;
    await expect(simulator.predict(jobOf('fine'))).rejects.toMatchObject({ code: 'endpoint-failed', retry: true });
  });

  it('a server that is away or silent is an error, a stopped request an interruption', async () => {
    await expect(open({ baseUrl: 'http://127.0.0.1:9/v1' })).rejects.toMatchObject({ code: 'endpoint-failed' });
    server = await startChatServer((request, response) => {
      if (request.body.messages[0]?.content === 'Say hello.') respond('all', verdict, 'stop', request, response);
    });
    const simulator = await open({ timeoutMs: 100 });
    await expect(simulator.predict(jobOf('fine'))).rejects.toMatchObject({
      code: 'endpoint-failed',
      message: expect.stringContaining('in time'),
    });
    const patient = createSimulatedValidator({ simulator: await open() });
    const stop = new AbortController();
    const asked = patient.validate(jobOf('fine'), { signal: stop.signal });
    setTimeout(() => stop.abort(), 20);
    await expect(asked).rejects.toMatchObject({ code: 'interrupted' });
  });

  it('never has more than so many requests under way', async () => {
    const waiting: (() => void)[] = [];
    let most = 0;
    server = await startChatServer((request, response) => {
      const answer = (): void => respond('all', verdict, 'stop', request, response);
      if (request.body.messages[0]?.content === 'Say hello.') answer();
      else most = Math.max(most, waiting.push(answer));
      const release = (): void => {
        for (const one of waiting.splice(0)) one();
      };
      if (waiting.length === 3) setTimeout(release, 20);
    });
    const simulator = await open({ concurrency: 3 });
    await Promise.all(Array.from({ length: 12 }, () => simulator.predict(jobOf('fine'))));
    expect(most).toBe(3);
  });
});

describe('readAnswer', () => {
  const read = (tokens: { token: string; logprob: number; top: [string, number][] }[]) =>
    readAnswer({
      text: tokens.map(({ token }) => token).join(''),
      finishReason: 'stop',
      tokens: tokens.map(({ top, ...said }) => ({
        ...said,
        top: top.map(([token, logprob]) => ({ token, logprob })),
      })),
    });
  const plain = (token: string) => ({ token, logprob: 0, top: [] });

  it('finds the verdict inside tokens that were cut otherwise', () => {
    const merged = { token: '":true', logprob: Math.log(0.6), top: [['":false', Math.log(0.3)] as [string, number]] };
    expect(read([plain('{"compiled'), merged, plain('}')])?.compiled).toBeCloseTo(Math.log(2));
    const spaced = { token: ' f', logprob: Math.log(0.8), top: [[' t', Math.log(0.2)] as [string, number]] };
    expect(read([plain('{"compiled":'), spaced, plain('alse}')])?.compiled).toBeCloseTo(-Math.log(4));
  });

  it('a word that is not listed is no likelier than what the listed ones leave over', () => {
    const alone = { token: 'true', logprob: Math.log(0.99), top: [] };
    expect(read([plain('{"compiled":'), alone, plain('}')])?.compiled).toBeCloseTo(Math.log(99));
  });
});

const behaving = await startChatServer((request, response) => respond('all', verdict, 'stop', request, response));
conforms('simulated, on a language model,', {
  open: async () =>
    createSimulatedValidator({
      simulator: await openOpenaiSimulator({
        endpoint: { baseUrl: behaving.baseUrl, model: 'm' },
        model: 'm',
        calibration: calibrationOf('log-probabilities'),
        device: null,
      }),
    }),
  good: () => jobOf('fine'),
  bad: () => jobOf('broken'),
});

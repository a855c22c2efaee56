import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type GenerateOptions, type GenerateProgress, generate } from '../../src/generate.js';
import { readCandidates } from '../../src/import/candidates.js';
import { makeProblem, type Problem } from '../../src/problem.js';
import { type ChatServer, refuse, startChatServer, streamAnswer, wholeAnswer } from './chat-server.js';

const key = 'sk-secret-0123456789';
const code = (mark: string): string => `import torch\n\n\nclass ModelNew(torch.nn.Module):\n    """${mark}"""\n`;
const answer = (mark: string): string => `Sure.\n\n\`\`\`python\n${code(mark)}\`\`\`\n`;
const problem = (number: number, set = 'starter'): Problem =>
  makeProblem({ set, level: 1, number, name: `Shift_${number}`, source: `class Model: pass  # mark ${number}\n` });
const numberIn = (text: string): number => Number(/# mark (\d+)/.exec(text)?.[1]);

let folder = '';
let server: ChatServer | null = null;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kval-generate-'));
});
afterEach(async () => {
  await server?.close();
  server = null;
  await rm(folder, { recursive: true, force: true });
});

function options(overrides: Partial<GenerateOptions> = {}): GenerateOptions {
  return {
    problems: [problem(1), problem(2)],
    samples: 2,
    endpoint: { baseUrl: server?.baseUrl ?? '', apiKey: key, model: 'acme/wren-1' },
    outFolder: join(folder, 'run'),
    pauseMs: 1,
    ...overrides,
  };
}

const read = (name: string): Promise<string> => readFile(join(folder, 'run', name), 'utf8');

describe('generate', () => {
  it('writes a runs folder that the importer reads back into the same set', async () => {
    server = await startChatServer((request, response) => {
      const mark = `${numberIn(request.body.messages[0]?.content ?? '')} ${request.before}`;
      if (request.before === 0) streamAnswer(response, answer(mark));
      else wholeAnswer(response, answer(mark));
    });
    const seen: GenerateProgress[] = [];
    const report = await generate(options({ temperature: 0.5, maxTokens: 999, onProgress: (each) => seen.push(each) }));
    expect(report).toMatchObject({ total: 4, done: 4, kept: 0, written: 4, withoutCode: 0, failed: 0, failures: [] });
    expect(report.usage).toEqual({ promptTokens: 400, completionTokens: 80, answers: 4, uncounted: 0 });
    expect(seen.map((each) => each.done)).toEqual([0, 1, 2, 3, 4]);

    expect((await readdir(join(folder, 'run'))).sort()).toEqual(
      [
        'generation_config.yaml',
        'generation_usage.json',
        ...[1, 2].flatMap((number) =>
          [0, 1].flatMap((sample) =>
            ['kernel.py', 'prompt.txt', 'response.json', 'response.txt'].map(
              (end) => `level_1_problem_${number}_sample_${sample}_${end}`,
            ),
          ),
        ),
      ].sort(),
    );
    expect(await read('level_1_problem_2_sample_0_kernel.py')).toBe(code('2 0'));
    expect(await read('level_1_problem_2_sample_0_response.txt')).toBe(answer('2 0'));
    expect(await read('level_1_problem_2_sample_0_prompt.txt')).toContain('# mark 2');
    expect(JSON.parse(await read('generation_usage.json'))).toMatchObject({
      model: 'acme/wren-1',
      total: { promptTokens: 400, completionTokens: 80 },
      samples: { level_1_problem_1_sample_0: { promptTokens: 100, completionTokens: 20, answers: 1 } },
    });

    expect(server.requests[0]?.body).toMatchObject({
      model: 'acme/wren-1',
      temperature: 0.5,
      max_tokens: 999,
      stream: true,
    });
    expect(server.requests[0]?.authorization).toBe(`Bearer ${key}`);

    const imported = await readCandidates(join(folder, 'run'));
    expect(imported.items.map(({ candidate }) => [candidate.problemId, candidate.origin.sample])).toEqual([
      ['starter/level1/1', 0],
      ['starter/level1/1', 1],
      ['starter/level1/2', 0],
      ['starter/level1/2', 1],
    ]);
    expect(imported.items[0]?.candidate.origin).toMatchObject({ generator: 'wren-1', run: 'run' });
    expect(imported.malformed).toEqual([]);
  });

  it('waits as long as the server says after 429, and tries again after 500s, cut bodies and hangs', async () => {
    const times = new Map<number, number[]>();
    server = await startChatServer((request, response) => {
      const number = numberIn(request.body.messages[0]?.content ?? '');
      times.set(number, [...(times.get(number) ?? []), Date.now()]);
      if (number === 1 && request.before === 0) refuse(response, 429, { message: 'slow down' }, { 'retry-after': '1' });
      else if (number === 2 && request.before < 3) refuse(response, 500 + request.before, { message: 'oops' });
      else if (number === 3 && request.before === 0) streamAnswer(response, answer('cut'), { cut: true });
      else if (number === 4 && request.before === 0)
        response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      else if (number === 5 && request.before === 0) response.end('<html>a proxy speaks</html>');
      else if (number === 6 && request.before === 0) response.socket?.destroy();
      else streamAnswer(response, answer('good'));
    });
    const problems = [1, 2, 3, 4, 5, 6].map((number) => problem(number));
    const report = await generate(options({ problems, samples: 1, timeoutMs: 400 }));
    expect(report).toMatchObject({ written: 6, failed: 0 });
    expect(await read('level_1_problem_3_sample_0_kernel.py')).toBe(code('good'));
    const [first, second] = times.get(1) ?? [];
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(990);
    const asked = Object.fromEntries([...times].map(([number, each]) => [number, each.length]));
    expect(asked).toEqual({ 1: 2, 2: 4, 3: 2, 4: 2, 5: 2, 6: 2 });
    expect(JSON.parse(await read('level_1_problem_2_sample_0_response.json'))).toMatchObject({ attempts: 4 });
  });

  it('keeps an answer without code, counts it, and asks again the next time', async () => {
    server = await startChatServer((request, response) => {
      const number = numberIn(request.body.messages[0]?.content ?? '');
      if (number === 1 && request.before === 0) streamAnswer(response, 'I would rather not.');
      else streamAnswer(response, answer('fine'), { usage: number !== 2 });
    });
    const first = await generate(options({ samples: 1 }));
    expect(first).toMatchObject({ written: 1, withoutCode: 1, failed: 0, done: 2 });
    expect(await read('level_1_problem_1_sample_0_response.txt')).toBe('I would rather not.');
    expect(existsSync(join(folder, 'run', 'level_1_problem_1_sample_0_kernel.py'))).toBe(false);
    expect(first.usage).toEqual({ promptTokens: 100, completionTokens: 20, answers: 2, uncounted: 1 });

    const second = await generate(options({ samples: 1 }));
    expect(second).toMatchObject({ kept: 1, written: 1, withoutCode: 0 });
    expect(second.usage).toEqual({ promptTokens: 200, completionTokens: 40, answers: 3, uncounted: 1 });
    expect(server.requests).toHaveLength(3);
  });

  it('continues after a stop: nothing is asked twice, nothing is lost', async () => {
    const stop = new AbortController();
    server = await startChatServer((_, response) => {
      if ((server?.requests.length ?? 0) <= 3) streamAnswer(response, answer('early'));
      else if (stop.signal.aborted) streamAnswer(response, answer('late'));
      else setTimeout(() => stop.abort(), 20);
    });
    const problems = [1, 2, 3, 4].map((number) => problem(number));
    const stopped = generate(options({ problems, concurrency: 2, signal: stop.signal }));
    await expect(stopped).rejects.toMatchObject({ code: 'interrupted', message: expect.stringContaining('3 of 8') });
    const kernels = (await readdir(join(folder, 'run'))).filter((name) => name.endsWith('_kernel.py'));
    expect(kernels).toHaveLength(3);
    expect(JSON.parse(await read('generation_usage.json'))).toMatchObject({ total: { answers: 3 } });
    const written = await stat(join(folder, 'run', kernels[0] ?? ''));

    // as after kill -9: no summary, and a file half written
    await unlink(join(folder, 'run', 'generation_usage.json'));
    await writeFile(join(folder, 'run', 'level_1_problem_4_sample_1_kernel.py.part-999999999'), 'import to');
    const asked = server.requests.length;
    const report = await generate(options({ problems, concurrency: 2 }));
    expect(report).toMatchObject({ total: 8, kept: 3, written: 5, done: 8 });
    expect(server.requests.length - asked).toBe(5);
    expect((await stat(join(folder, 'run', kernels[0] ?? ''))).mtimeMs).toBe(written.mtimeMs);
    expect(report.usage.answers).toBe(8);
    expect((await readdir(join(folder, 'run'))).filter((name) => name.includes('.part-'))).toEqual([]);
    expect((await readCandidates(join(folder, 'run'))).items).toHaveLength(8);
  });

  it('goes on past a sample that is refused, and names it', async () => {
    server = await startChatServer((request, response) => {
      if (numberIn(request.body.messages[0]?.content ?? '') === 1)
        refuse(response, 400, { message: 'context too long' });
      else streamAnswer(response, answer('fine'));
    });
    const report = await generate(options({ samples: 1 }));
    expect(report).toMatchObject({ written: 1, failed: 1, done: 2 });
    expect(report.failures).toEqual([
      { problemId: 'starter/level1/1', sample: 0, message: expect.stringContaining('context too long') },
    ]);
  });

  it('speaks to models that know neither max_tokens nor a temperature', async () => {
    server = await startChatServer((request, response) => {
      if ('max_tokens' in request.body) {
        refuse(response, 400, { message: "use 'max_completion_tokens' instead", param: 'max_tokens' });
      } else if ('temperature' in request.body) refuse(response, 400, { message: 'unsupported', param: 'temperature' });
      else streamAnswer(response, answer('fine'));
    });
    const report = await generate(options({ concurrency: 4 }));
    expect(report).toMatchObject({ written: 4, failed: 0 });
  });

  it('stops at once where the key is wrong, and never shows it', async () => {
    const spoken: string[] = [];
    const listen = (...words: unknown[]): void => void spoken.push(inspect(words, { depth: 9 }));
    const spies = (['log', 'info', 'warn', 'error', 'debug'] as const).map((name) =>
      vi.spyOn(console, name).mockImplementation(listen),
    );
    vi.stubEnv('OPENAI_LOG', 'debug');
    server = await startChatServer((_, response) =>
      refuse(response, 401, { message: `Incorrect API key provided: ${key}` }),
    );
    const failed: unknown = await generate(options({ samples: 50, concurrency: 2 })).catch((error: unknown) => error);
    vi.unstubAllEnvs();
    for (const spy of spies) spy.mockRestore();
    expect(failed).toMatchObject({ code: 'endpoint-failed', message: expect.stringContaining('[key]') });
    expect(server.requests.length).toBeLessThanOrEqual(2);
    expect(`${String(failed)} ${JSON.stringify(failed)} ${spoken.join('\n')}`).not.toContain(key);
    for (const name of await readdir(join(folder, 'run'))) expect(await read(name)).not.toContain(key);
  });

  it('gives up on an endpoint that is not there', async () => {
    const free = createServer();
    await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
    const address = free.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    await new Promise((resolve) => free.close(resolve));
    const endpoint = { baseUrl: `http://127.0.0.1:${port}/v1`, apiKey: null, model: 'wren' };
    const asked = generate(options({ endpoint, samples: 500, concurrency: 2, attempts: 2 }));
    await expect(asked).rejects.toMatchObject({
      code: 'endpoint-failed',
      retry: true,
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('refuses a folder of another run, problems of two sets, and nothing to do', async () => {
    server = await startChatServer((_, response) => streamAnswer(response, answer('fine')));
    await generate(options({ samples: 1 }));
    const other = { baseUrl: server.baseUrl, apiKey: key, model: 'acme/finch-2' };
    await expect(generate(options({ endpoint: other }))).rejects.toMatchObject({ code: 'bad-input' });
    await expect(generate(options({ temperature: 0.1 }))).rejects.toMatchObject({ code: 'bad-input' });
    await expect(generate(options({ problems: [problem(1, 'kernelbench')] }))).rejects.toMatchObject({
      code: 'bad-input',
    });
    await expect(generate(options({ problems: [problem(1), problem(1, 'mine')] }))).rejects.toMatchObject({
      code: 'usage',
    });
    await expect(generate(options({ problems: [] }))).rejects.toMatchObject({ code: 'usage' });
    expect(server.requests).toHaveLength(2);
  });
});

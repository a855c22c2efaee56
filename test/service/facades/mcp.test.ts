import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { getDefaultEnvironment, StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { dir } from 'tmp-promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../../src/config.js';
import { validatorTool } from '../../../src/simulator/prompt.js';
import { writeHandModel } from '../../simulator/hand-model.js';
import { openService, type Service } from '../open.js';
import { openFailingJudge } from './failing.js';
import { openHandService } from './hand.js';
import { broken, kernel, problemId, reference } from './kernel.js';

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

type Mode = 'legacy' | 'auto';

async function withClient<T>(url: string, mode: Mode, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

const textsOf = (content: unknown): string[] =>
  Array.isArray(content) ? content.map((part: { text?: string }) => part.text ?? '') : [];

describe.each<[Mode, string]>([
  ['legacy', '2025-11-25'],
  ['auto', '2026-07-28'],
])('the official MCP client, %s', (mode, version) => {
  it(`speaks ${version}, lists the tool and is told a verdict`, async () => {
    await withClient(`${service.url}/t/a-long-secret/mcp`, mode, async (client) => {
      expect(client.getNegotiatedProtocolVersion()).toBe(version);
      const { tools } = await client.listTools();
      expect(tools.map(({ name }) => name)).toEqual([validatorTool.api_name]);
      const call = { name: validatorTool.api_name, arguments: { kernel, problem: reference } };
      const { content, structuredContent, isError } = await client.callTool(call);
      expect(isError ?? false).toBe(false);
      const [words = '', json = ''] = textsOf(content);
      expect(words.slice(0, 200)).toMatch(/predicted/);
      expect(JSON.parse(json)).toMatchObject({ compiled: 1, infra_ok: 1 });
      expect(structuredContent).toMatchObject({ compiled: 1, feedback: words });
    });
  });

  it('does not call a failing kernel an error, but a failed instrument or an unknown problem', async () => {
    const call = (url: string, problem_id: string) =>
      withClient(url, mode, (client) =>
        client.callTool({ name: validatorTool.api_name, arguments: { kernel: broken, problem_id } }),
      );
    expect((await call(`${service.url}/t/a-long-secret/mcp`, problemId)).isError ?? false).toBe(false);
    expect((await call(`${service.url}/t/a-long-secret/mcp`, 'level9/9')).isError).toBe(true);
    const failed = await call(`${failing.url}/mcp`, problemId);
    expect(failed.isError).toBe(true);
    expect(textsOf(failed.content)[0]).toMatch(/^not judged \(worker-died\)/);
  });
});

describe('kval mcp', () => {
  it('is a server over standard input and output for the official client, and ends with it', async () => {
    const folder = await dir({ unsafeCleanup: true });
    const model = join(folder.path, 'model');
    await writeHandModel(model);
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [join(readConfig({}).root, 'dist', 'cli.js'), 'mcp', '--mode', 'simulated', '--model', model],
      env: { ...getDefaultEnvironment(), KVAL_HOME: folder.path },
    });
    const client = new Client({ name: 'test', version: '1' });
    try {
      await client.connect(transport);
      expect(client.getServerVersion()).toMatchObject({ name: 'kval' });
      const { tools } = await client.listTools();
      expect(tools.map(({ name }) => name)).toEqual([validatorTool.api_name]);
      const call = (id: string) =>
        client.callTool({ name: validatorTool.api_name, arguments: { kernel, problem_id: id } });
      const judged = await call(problemId);
      expect(judged.isError ?? false).toBe(false);
      expect(judged.structuredContent).toMatchObject({ compiled: 1, predicted: 1, infra_ok: 1, problem_id: problemId });
      expect((await call('level9/9')).isError).toBe(true);
      const { pid } = transport;
      await client.close();
      expect(() => process.kill(pid ?? 0, 0)).toThrow(/ESRCH/);
    } finally {
      await client.close();
      await folder.cleanup();
    }
  });
});

describe('MCP over HTTP', () => {
  it('turns away the page of another origin, and who has no token', async () => {
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
    const headers = { origin: 'https://example.com', accept: 'application/json, text/event-stream' };
    expect((await service.ask('/t/a-long-secret/mcp', { body, headers })).status).toBe(403);
    expect((await service.ask('/mcp', { body })).status).toBe(401);
  });
});

describe('GET /v1/tools', () => {
  const ask = async (format: string) => (await service.ask(`/t/a-long-secret/v1/tools?format=${format}`)).json.tools[0];

  it('gives one flat definition in every form', async () => {
    const openai = await ask('openai');
    const { properties, required } = openai.function.parameters;
    expect(openai.function.name).toBe(validatorTool.api_name);
    for (const property of Object.values<object>(properties)) {
      expect(Object.keys(property).filter((key) => !['type', 'description', 'enum'].includes(key))).toEqual([]);
    }
    const mcp = await ask('mcp');
    expect(mcp.inputSchema.properties).toEqual(properties);
    const gtm = await ask('gtm');
    expect(Object.keys(gtm)).toEqual(Object.keys(validatorTool));
    expect(Object.keys(gtm.parameters)).toEqual(Object.keys(properties));
    expect(gtm.required).toEqual(required);
    expect(gtm.responses).toEqual(validatorTool.responses);
  });

  it('is what the MCP server lists', async () => {
    const listed = await withClient(`${service.url}/t/a-long-secret/mcp`, 'auto', (client) => client.listTools());
    const mcp = await ask('mcp');
    expect(listed.tools[0]?.inputSchema).toMatchObject(mcp.inputSchema);
  });
});

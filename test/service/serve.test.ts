import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { dir } from 'tmp-promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServer } from '../../bench/service/server.js';
import { readConfig } from '../../src/config.js';
import { errorTable } from '../../src/errors.js';
import { replySchema } from '../../src/service/request.js';
import { noBrowser, openBrowser } from '../report/browser.js';
import { ask, openService, portOf } from './open.js';

const config = readConfig({});
const kernel = readFileSync(join(config.starterCandidatesFolder, '7_ReLU', 'float4.py'), 'utf8');
const problem_id = 'starter/level1/7';
let folder: { path: string; cleanup: () => Promise<void> };
beforeAll(async () => {
  folder = await dir({ unsafeCleanup: true });
});
afterAll(() => folder.cleanup());

describe('kval serve', () => {
  it('serves nobody beyond loopback without a token', async () => {
    const args = ['serve', '--host', '0.0.0.0', '--mode', 'simulated', '--port', '0'];
    const { exitCode, stderr } = await execa(process.execPath, [join(config.root, 'dist', 'cli.js'), ...args], {
      reject: false,
      env: { KVAL_HOME: folder.path, KVAL_TOKEN: '' },
    });
    expect(exitCode).toBe(errorTable.usage.exit);
    expect(stderr).toMatch(/without a token kval serves on loopback alone[\s\S]*--token-file/);
  });

  it('serves with the token of a file, finishes what it has accepted at SIGTERM, and says 503 to what is new', async () => {
    const tokenFile = join(folder.path, 'token');
    await writeFile(tokenFile, 'a-secret-of-ours\n');
    const server = await startServer(config, {
      home: join(folder.path, 'one'),
      args: ['--mode', 'simulated', '--token-file', tokenFile, '--host', '0.0.0.0', '--log-level', 'trace'],
    });
    let logs = '';
    server.child.all.on('data', (piece) => {
      logs += String(piece);
    });
    const url = `${server.url.replace('0.0.0.0', '127.0.0.1')}/t/a-secret-of-ours`;
    expect((await ask(`${server.url.replace('0.0.0.0', '127.0.0.1')}/v1/mode`)).status).toBe(401);
    const items = Array.from({ length: 600 }, (_, number) => ({ kernel: `${kernel}# ${number}\n`, problem_id }));
    const batch = ask(`${url}/v1/validate:batch`, { body: { items } });
    // The batch is being judged once this is answered: both came in turn.
    await ask(`${url}/v1/validate`, { body: { kernel, problem_id } });
    const stopped = server.stop();
    const late = await ask(`${url}/v1/validate`, { body: { kernel, problem_id } }).catch(() => null);
    if (late !== null) expect([200, 503]).toContain(late.status);
    const { status, json } = await batch;
    expect(status).toBe(200);
    expect(json.results).toHaveLength(600);
    expect(await stopped).toBe(0);
    expect(logs).toMatch(/"answered"/);
    expect(logs).not.toMatch(/a-secret-of-ours|torch/);
  });

  it('serves NeMo-Gym at the root of a port of its own, without a token, until it is stopped', async () => {
    const port = await freePort();
    const server = await startServer(config, {
      home: join(folder.path, 'two'),
      args: ['--mode', 'simulated', '--nemo-gym-port', String(port)],
      environment: { KVAL_TOKEN: 'a-secret-of-ours' },
    });
    const url = `http://127.0.0.1:${port}`;
    const row = { responses_create_params: {}, verifier_metadata: { problem_id } };
    const text = `\`\`\`python\n${kernel}\`\`\``;
    const response = { output: [{ type: 'message', content: [{ type: 'output_text', text }] }] };
    expect((await ask(`${url}/`)).json).toEqual({ status: 'ok' });
    const { status, json } = await ask(`${url}/verify`, { body: { ...row, response } });
    expect(status).toBe(200);
    expect(json).toMatchObject({ ...row, response, infra_ok: 1, reward: expect.any(Number) });
    // Nothing else of the service is there, and its own port still wants the token.
    expect((await ask(`${url}/v1/mode`)).status).toBe(404);
    expect((await ask(`${server.url}/nemo-gym/verify`, { body: { ...row, response } })).status).toBe(401);
    expect(await server.stop()).toBe(0);
    await expect(ask(`${url}/`)).rejects.toThrow();
  });
});

describe('a mode', () => {
  it('is changed while the service runs: the harness judges, a hybrid asks both, and replies say so', async () => {
    const service = await openService({ settings: { device: 'none' } });
    try {
      const judged = async (body: Record<string, unknown>) => (await service.ask('/v1/validate', { body })).json;
      const body = { kernel, problem_id };
      expect(await judged(body)).toMatchObject({ mode: 'simulated', predicted: 1 });
      const real = await service.ask('/v1/mode', { method: 'PUT', body: { mode: 'real' } });
      expect(real.json).toMatchObject({ mode: 'real', validator: 'real' });
      const measured = await judged(body);
      expect(replySchema.parse(measured)).toEqual(measured);
      expect(measured).toMatchObject({ mode: 'real', predicted: 0, status: 'built', compiled: 1, correct_known: 0 });
      expect(measured.feedback.slice(0, 200)).toMatch(/builds|built|compiles/i);
      expect((await judged(body)).cached).toBe(1);

      const policy = { audit: { share: 1 } };
      const hybrid = await service.ask('/v1/mode', { method: 'PUT', body: { mode: 'hybrid', policy } });
      expect(hybrid.json.hybrid).toMatchObject({ verdicts: 0, audits: 0 });
      const again = await judged({ ...body, no_cache: true, details: true });
      expect(again).toMatchObject({ mode: 'hybrid', audited: 1, predicted: 0, details: { kind: 'measured' } });
      expect((await service.ask('/v1/state')).json.audits.compared).toBe(1);
      const wrong = await service.ask('/v1/mode', { method: 'PUT', body: { mode: 'hybrid', policy: { audit: 1 } } });
      expect(wrong.status).toBe(400);
      expect((await service.ask('/v1/mode')).json.mode).toBe('hybrid');
    } finally {
      await service.close();
    }
  });
});

describe.skipIf(noBrowser !== null)(`the live page${noBrowser === null ? '' : ` (skipped: ${noBrowser})`}`, () => {
  it('shows what the service does, in light and dark, on a wide and a narrow screen', async () => {
    const opened = await openBrowser();
    const service = await openService({ token: 'page-token' });
    try {
      const headers = { authorization: 'Bearer page-token' };
      await service.ask('/v1/validate', { body: { kernel, problem_id }, headers });
      await service.ask('/v1/validate', { body: { response: '<b>no code</b>', problem_id }, headers });
      for (const [dark, width] of [
        [false, 1280],
        [true, 400],
      ] as const) {
        const page = await opened.browser.newPage({ viewport: { width, height: 900 } });
        const complaints: string[] = [];
        page.on('console', (message) => complaints.push(message.text()));
        page.on('pageerror', (error) => complaints.push(error.message));
        await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' });
        await page.goto(`${service.url}/t/page-token/`);
        await page.locator('#recent tr').nth(1).waitFor();
        expect(await page.locator('#mode').textContent()).toBe('simulated');
        expect(await page.locator('#verdicts').textContent()).toMatch(/^2 in all/);
        expect(await page.locator('#recent').textContent()).toContain(problem_id);
        expect(await page.locator('#said').textContent()).toMatch(/ready/);
        expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
        await page.close();
        expect(complaints).toEqual([]);
      }
      const page = await opened.browser.newPage();
      await page.goto(`${service.url}/`);
      await page.getByText('The service wants its token').waitFor();
    } finally {
      await opened.close();
      await service.close();
    }
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server.address());
  await new Promise((resolve) => server.close(resolve));
  return port;
}

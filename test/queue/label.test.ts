import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type LocalRedis, noRedis, startRedis } from '../../bench/service/redis.js';
import { LabelStore } from '../../src/labels/store.js';
import { testFolder } from '../worker/fixture.js';

const root = join(import.meta.dirname, '..', '..');
let redis: LocalRedis;

function kval(...args: string[]) {
  return kvalWith({}, ...args);
}

function kvalWith(env: Record<string, string>, ...args: string[]) {
  return execa(process.execPath, [join(root, 'dist', 'cli.js'), ...args], { reject: false, all: true, env });
}

describe.skipIf(noRedis !== null)(`kval label --queue${noRedis === null ? '' : ` (no Redis: ${noRedis})`}`, () => {
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.stop());

  test('labels what kval label does, by workers that drain at SIGTERM', { timeout: 240_000 }, async () => {
    const folder = testFolder();
    const worker = kval('worker', '--queue', redis.url, '--device', 'none', '--concurrency', '1');
    onTestFinished(async () => {
      worker.kill('SIGKILL');
      await worker;
    });
    const serving = new Promise<string>((resolve, reject) => {
      worker.all.on('data', (text: Buffer) => {
        if (text.includes('takes jobs')) resolve(text.toString());
      });
      void worker.then(({ all }) => reject(new Error(`the worker ended: ${all}`)));
    });
    serving.catch(() => {}); // heard below
    const candidates = join(root, 'kernelbench', 'candidates', '7_ReLU');
    const outcomes = async (name: string, env: Record<string, string>, ...more: string[]) => {
      const store = join(folder, name);
      await kval('import', candidates, '--store', store);
      const common = ['--problems', 'starter/level1/7', '--device', 'none', '--limit', '3', '--store', store];
      const { exitCode, all } = await kvalWith(env, 'label', ...common, ...more);
      expect(exitCode, all).toBe(0);
      const labels = LabelStore.open(store);
      const rows = labels.list({ limit: 10 });
      labels.close();
      return rows.map(({ candidateHash, problemId, status, fidelity }) => ({
        candidateHash,
        problemId,
        status,
        fidelity,
      }));
    };
    expect(await serving).toContain(`redis://127.0.0.1:${redis.port}`);
    const order = (rows: { candidateHash: string }[]) =>
      rows.toSorted((a, b) => a.candidateHash.localeCompare(b.candidateHash));
    // The box that labels has no harness of its own.
    const queued = await outcomes('queued.db', { KVAL_PYTHON: 'no-python-here' }, '--queue', redis.url);
    expect(queued).toHaveLength(3);
    expect(order(queued)).toEqual(order(await outcomes('own.db', {})));
    worker.kill('SIGTERM');
    const { exitCode, stdout } = await worker;
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '3 judged, 0 failed, 0 given back' });
    rmSync(folder, { recursive: true, force: true });
  });

  test('a worker and a label run that cannot go on say why', async () => {
    const url = `redis://:secret@127.0.0.1:${redis.port}`;
    const [noDevice, noUrl, auto] = await Promise.all([
      kval('worker', '--queue', url, '--device', 'cuda'),
      kval('worker', '--queue', 'http://user:secret@host'),
      kval('label', '--queue', url),
    ]);
    expect(noDevice).toMatchObject({ exitCode: 12, all: expect.stringContaining('does not have the device cuda') });
    expect(noUrl).toMatchObject({ exitCode: 2, all: expect.stringContaining('not a Redis address') });
    expect(auto).toMatchObject({ exitCode: 2, all: expect.stringContaining('--device must be named') });
    expect(`${noDevice.all}${noUrl.all}${auto.all}`).not.toContain('secret');
  });
});

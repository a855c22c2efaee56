import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dir } from 'tmp-promise';
import { expect, test } from 'vitest';
import { buildDataset } from '../../src/dataset/build.js';
import { rerunSample } from '../../src/dataset/rerun.js';
import { KvalError } from '../../src/errors.js';
import { LabelStore } from '../../src/labels/store.js';
import { exampleJob, exampleMeasured } from '../labels/examples.js';
import { learnable } from './examples.js';

test('a sample is made again; what comes out otherwise is named, what cannot be judged is counted', async () => {
  const folder = await dir({ unsafeCleanup: true });
  const store = LabelStore.open(join(folder.path, 'labels.db'));
  for (let place = 0; place < 12; place += 1) {
    const job = exampleJob(`kernel ${place}`);
    store.append(exampleMeasured(job), job);
  }
  const asked: string[] = [];
  const rerun = await rerunSample(store, {
    count: 6,
    seed: 1,
    judge: async (job) => {
      asked.push(job.candidate.hash);
      if (asked.length === 2) throw new KvalError('worker-died', 'gone');
      return exampleMeasured(job, asked.length === 4 ? { status: 'rejected', cheat: 'x', evidence: 'y' } : undefined);
    },
  });
  expect(rerun).toMatchObject({ asked: 6, agreed: 4, failed: 1 });
  expect(rerun.disagreed).toEqual([{ problem: 'level1/19', candidate: asked[3], first: 'built', again: 'rejected' }]);

  const stopped = rerunSample(store, {
    count: 1,
    seed: 1,
    judge: async () => {
      throw new KvalError('interrupted', 'stopped');
    },
  });
  await expect(stopped).rejects.toThrow('stopped');
  store.close();

  const manifest = await buildDataset(learnable(60), { kvalVersion: '0', rerun }, join(folder.path, 'set'));
  expect(manifest.rerun).toEqual(rerun);
  const card = await readFile(join(folder.path, 'set', 'README.md'), 'utf8');
  expect(card).toContain('of 6 labels that were made again');
  expect(card).toContain('built, then rejected');
  await folder.cleanup();
});

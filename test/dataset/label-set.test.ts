import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { dir } from 'tmp-promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Job } from '../../src/candidate.js';
import { readConfig } from '../../src/config.js';
import { familyKernels } from '../../src/dataset/families/families.js';
import { type LabelSet, labelSetSchema, writeLabelSet } from '../../src/dataset/label-set.js';
import { operators } from '../../src/dataset/mutate/operators.js';
import { turnedOut } from '../../src/dataset/mutate/turned-out.js';
import { importLabels } from '../../src/labels/exchange.js';
import { LabelStore } from '../../src/labels/store.js';
import { exampleCandidate, exampleJob, exampleMeasured } from '../labels/examples.js';

let home = '';
let cleanup = async (): Promise<void> => {};
beforeAll(async () => {
  const folder = await dir({ unsafeCleanup: true });
  home = folder.path;
  cleanup = folder.cleanup;
});
afterAll(() => cleanup());

test('a store becomes a folder with manifest and card, and the folder a store again, without logs', async () => {
  const store = LabelStore.open(join(home, 'one.db'));
  const ownJob = (name: string): Job => {
    const job = exampleJob(name);
    return { ...job, candidate: exampleCandidate(name, job.problem, 'kval') };
  };
  for (const name of ['a', 'b', 'c']) {
    const job = ownJob(name);
    store.append(exampleMeasured(job, { status: 'built' }, 'a long log of nvcc'), job);
  }
  const failing = ownJob('d');
  const message =
    'Traceback:\n  File "/home/me/kval/cuda-harness/kval_harness/runner.py", line 1\n  File "/opt/x/candidate/candidate.py"';
  store.append(exampleMeasured(failing, { status: 'runtime-error', phase: 'forward', error: 'E', message }), failing);
  const folder = join(home, 'set');
  const set = await writeLabelSet(store, folder, { kvalVersion: '0', commands: ['kval label'], notes: [] });
  expect(set).toMatchObject({
    problems: 1,
    outcomes: { samples: { built: 3, 'runtime-error': 1 } },
    file: { labels: 4 },
  });
  expect(labelSetSchema.parse(JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')))).toEqual(set);
  expect(await readFile(join(folder, 'README.md'), 'utf8')).toContain('| samples | 4 | 3 | 1 |');
  const text = gunzipSync(await readFile(join(folder, set.file.name))).toString();
  expect(text).not.toMatch(/a long log|\/home\/me|\/opt\/x/);
  expect(text).toContain('kval_harness/runner.py');

  const other = LabelStore.open(join(home, 'two.db'));
  expect(await importLabels(other, join(folder, set.file.name))).toMatchObject({ added: 4, malformedCount: 0 });
  const outcomes = (of: LabelStore) =>
    [...of.iterate()].map(({ measured }) => [measured.jobKey, measured.outcome.status]);
  expect(outcomes(other)).toEqual(outcomes(store));

  const foreign = exampleJob('e');
  store.append(exampleMeasured(foreign), foreign);
  const refused = writeLabelSet(store, folder, { kvalVersion: '0', commands: [], notes: [] });
  await expect(refused).rejects.toThrow('not ours to ship');
  store.close();
  other.close();
});

const shipped = join(readConfig().root, 'datasets', 'starter-mutants');

describe.skipIf(!existsSync(shipped))('the set that ships', () => {
  let set: LabelSet;
  let store: LabelStore;
  beforeAll(async () => {
    set = labelSetSchema.parse(JSON.parse(await readFile(join(shipped, 'manifest.json'), 'utf8')));
    store = LabelStore.open(join(home, 'shipped.db'));
    const read = await importLabels(store, join(shipped, set.file.name));
    expect(read).toMatchObject({ added: set.file.labels, already: 0, malformedCount: 0 });
  });
  afterAll(() => store.close());

  test('is what its manifest says', async () => {
    const bytes = await readFile(join(shipped, set.file.name));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(set.file.sha256);
    expect(bytes.length).toBeLessThan(5_000_000);
    const labels = Object.values(set.outcomes).flatMap((byStatus) => Object.values(byStatus));
    expect(labels.reduce((sum, count) => sum + count, 0)).toBe(set.file.labels);
    expect(turnedOut(store).map(({ operator, labelled }) => [operator.name, labelled])).toEqual(
      set.operators.map(({ name, labelled }) => [name, labelled]),
    );
  });

  test('has kernels of every family, all correct', () => {
    const families = [...store.iterate({ source: 'kval families' })];
    expect(new Set(families.map(({ candidate }) => candidate.origin.run.split(':')[0]))).toEqual(
      new Set([...familyKernels()].map(({ family }) => family)),
    );
    const wrong = families.filter(({ measured }) => measured.outcome.status !== 'correct');
    expect(wrong.map(({ problem, candidate }) => `${problem.id} ${candidate.origin.run}`)).toEqual([]);
  });

  test('knows the operators of all its mutants', () => {
    const names = new Set(operators.map(({ name }) => name));
    expect(set.operators.filter(({ name }) => !names.has(name))).toEqual([]);
    expect(set.operators.length).toBeGreaterThan(30);
  });
});

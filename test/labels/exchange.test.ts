import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exportLabels, importLabels, labelLines } from '../../src/labels/exchange.js';
import { LabelStore } from '../../src/labels/store.js';
import { testFolder } from '../worker/fixture.js';
import { exampleCandidate, exampleJob, exampleMeasured, exampleProblem } from './examples.js';

let folder: string;
let store: LabelStore;
let other: LabelStore;

beforeEach(() => {
  folder = testFolder();
  store = LabelStore.open(join(folder, 'one.db'));
  other = LabelStore.open(join(folder, 'other.db'));
  for (let index = 0; index < 230; index++) {
    const problem = { ...exampleProblem(index % 7), shapeHash: index % 2 === 0 ? 's'.repeat(64) : null };
    const job = exampleJob(`kernel ${index} λ "quoted"\n`, { small: true, trials: 3 }, problem);
    const times = { median: 0.1 + 0.2, mean: 1e-7, std: 0, min: 1 / 3, max: 5, samples: [0.30000000000000004] };
    const timing = { candidateMs: times, referenceMs: times, speedup: 1.0000000000000002, clock: { mhz: [1, null] } };
    store.append(
      exampleMeasured(job, { status: 'correct', timing, maxAbsError: 1e-12, maxRelError: 0 }, 'l'.repeat(3_000)),
      job,
    );
  }
  const published = {
    compiled: true,
    correct: null,
    runtimeMs: 1.5,
    speedup: 0.1,
    gpu: null,
    kind: 'x',
    raw: { a: [-1] },
  };
  store.putPublished([{ candidate: exampleCandidate('theirs'), line: 3, backend: 'cuda', published }]);
});

afterEach(() => {
  store.close();
  other.close();
});

test.each(['labels.jsonl', 'labels.jsonl.gz'])('%s: what goes out comes in, to the last digit', async (name) => {
  const file = join(folder, name);
  expect(await exportLabels(store, file, { withPublished: true })).toBe(231);
  expect(readdirSync(folder).filter((entry) => entry.endsWith('.part'))).toEqual([]);
  expect(await importLabels(other, file)).toEqual({
    read: 231,
    added: 231,
    already: 0,
    malformed: [],
    malformedCount: 0,
  });
  expect([...other.iterate()]).toEqual([...store.iterate()]);
  expect([...other.published()]).toEqual([...store.published()]);
  expect([...labelLines(other, {}, { withPublished: true })]).toEqual([
    ...labelLines(store, {}, { withPublished: true }),
  ]);
  expect(await importLabels(other, file)).toMatchObject({ added: 0, already: 231 });
  const bytes = readFileSync(file);
  const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  expect(text.split('\n')).toHaveLength(232);
});

test('a filter chooses what goes out', async () => {
  const file = join(folder, 'some.jsonl');
  expect(await exportLabels(store, file, { filter: { problemId: 'level1/3', limit: 5 } })).toBe(5);
});

test('lines that are no labels are named with their reason, and the rest goes in', async () => {
  const file = join(folder, 'edited.jsonl');
  await exportLabels(store, file, { filter: { limit: 6 } });
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  lines[1] = '{"half a';
  lines[2] = String(lines[2]).replace('kernel 2', 'kernel two');
  lines[3] = String(lines[3])
    .replace('"fidelity":"built"', '"fidelity":"predicted"')
    .replace('"kind":"measured"', '"kind":"predicted"');
  lines[4] = String(lines[4]).replace('"small":true', '"small":false').replace('"device":"none"', '"device":"cuda"');
  lines.push('', '[]');
  writeFileSync(file, lines.join('\n'));
  const report = await importLabels(other, file);
  expect(report).toMatchObject({ read: 7, added: 2, already: 0, malformedCount: 5 });
  expect(report.malformed).toEqual([
    { line: 2, reason: 'it is not JSON' },
    { line: 3, reason: expect.stringContaining('candidate’s source does not have the hash') },
    { line: 4, reason: expect.stringContaining('kind') },
    { line: 5, reason: expect.stringContaining('job key') },
    { line: 8, reason: expect.stringContaining('expected object') },
  ]);
});

test('an archive that was cut off keeps what was whole and says that it is not', async () => {
  const file = join(folder, 'cut.jsonl.gz');
  await exportLabels(store, file);
  truncateSync(file, Math.floor(readFileSync(file).length * 0.9));
  await expect(importLabels(other, file)).rejects.toMatchObject({
    code: 'bad-input',
    message: expect.stringContaining('gzip'),
  });
  expect(other.counts().labels).toBeGreaterThan(100);
});

test('files that are missing, no file, or not gzip are bad input; an export that fails leaves nothing', async () => {
  await expect(importLabels(other, join(folder, 'none.jsonl'))).rejects.toMatchObject({ code: 'bad-input' });
  await expect(importLabels(other, folder)).rejects.toMatchObject({ code: 'bad-input' });
  const fake = join(folder, 'fake.gz');
  writeFileSync(fake, 'not gzip at all');
  await expect(importLabels(other, fake)).rejects.toMatchObject({ code: 'bad-input' });
  const lost = join(folder, 'no', 'such', 'folder.jsonl');
  await expect(exportLabels(store, lost)).rejects.toMatchObject({ code: 'bad-input' });
  const stopped = join(folder, 'stopped.jsonl');
  await expect(exportLabels(store, stopped, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'interrupted',
  });
  expect(existsSync(stopped)).toBe(false);
  expect(readdirSync(folder).filter((entry) => entry.endsWith('.part'))).toEqual([]);
});

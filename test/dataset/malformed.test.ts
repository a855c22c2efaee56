import { join } from 'node:path';
import { dir } from 'tmp-promise';
import { expect, test } from 'vitest';
import { buildDataset } from '../../src/dataset/build.js';
import { type MalformedRow, malformedKinds } from '../../src/dataset/malformed.js';
import { readDataset } from '../../src/dataset/read.js';
import { KvalError } from '../../src/errors.js';
import { readCall } from '../../src/simulator/read-call.js';
import { learnable } from './examples.js';

const good = {
  name: 'cuda_code_validator',
  arguments: { problem: 'class Model: pass', kernel: 'class ModelNew: pass' },
};

test('a call needs its problem and its kernel; the language is Python unless it says otherwise', () => {
  expect(readCall(JSON.stringify(good))).toEqual({ ...good, arguments: { ...good.arguments, language: 'python' } });
});

test.each([
  [{ ...good, arguments: { problem: 'p' } }, 'expected string, received undefined → at arguments.kernel'],
  [{ ...good, arguments: { ...good.arguments, timeout: 60 } }, 'Unrecognized key: "timeout"'],
  [{ ...good, arguments: { ...good.arguments, kernel: ['x'] } }, 'expected string, received array'],
  [{ ...good, arguments: { ...good.arguments, language: 'triton' } }, 'expected one of "python"|"cuda"'],
  [{ ...good, arguments: { ...good.arguments, kernel: ' ' } }, 'the candidate is empty'],
  [{ ...good, name: 'run' }, 'expected "cuda_code_validator"'],
  [null, 'expected object, received null'],
])('%j is refused in the words of whoever refuses it', (call, words) => {
  expect(() => readCall(JSON.stringify(call))).toThrow(words);
  expect(() => readCall(JSON.stringify(call))).toThrow(KvalError);
});

test('a data set holds malformed calls of every kind, each with the error that reading it gives', async () => {
  const folder = await dir({ unsafeCleanup: true });
  const out = join(folder.path, 'set');
  const manifest = await buildDataset(learnable(120), { kvalVersion: '0', malformedShare: 0.5 }, out);
  const set = await readDataset(out);
  const rows: MalformedRow[] = [];
  for (const split of ['train', 'validation', 'test'] as const) {
    const problems = new Set<string>();
    for await (const row of set.rows(split)) problems.add(row.problem.id);
    for await (const row of set.malformed(split)) {
      rows.push(row);
      expect(problems).toContain(row.problem.id);
    }
  }
  expect(rows.length).toBeGreaterThan(40);
  expect(new Set(rows.map((row) => row.malformed.kind))).toEqual(new Set(malformedKinds));
  for (const { messages } of rows) {
    const [system, user, answer] = messages;
    expect(system?.content).toContain('"error"');
    let told = '';
    try {
      readCall(user?.content ?? '');
    } catch (thrown) {
      told = thrown instanceof KvalError ? thrown.message : '';
    }
    expect(told).not.toBe('');
    expect(answer?.content).toBe(JSON.stringify({ error: told }));
  }
  expect(Object.values(manifest.malformedCalls).reduce((sum, count) => sum + count, 0)).toBe(rows.length);

  const without = await buildDataset(
    learnable(120),
    { kvalVersion: '0', malformedShare: 0 },
    join(folder.path, 'none'),
  );
  expect(without.malformedCalls).toEqual({});
  expect(without.files.map(({ name }) => name)).toEqual(['train.jsonl', 'validation.jsonl', 'test.jsonl']);
  await folder.cleanup();
});

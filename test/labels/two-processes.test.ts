import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LabelStore } from '../../src/labels/store.js';
import { exampleJob, exampleMeasured } from './examples.js';
import { type SecondProcess, secondProcess } from './second-process.js';

let folder: string;
let path: string;
const others: SecondProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kval-two-'));
  path = join(folder, 'labels.db');
});

afterEach(async () => {
  for (const other of others.splice(0)) {
    other.child.kill('SIGKILL');
    await other.ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

function other(file: string, ...args: string[]): SecondProcess {
  const started = secondProcess(file, ...args);
  others.push(started);
  return started;
}

test('three processes make one store and write to it at the same time; every label is there', async () => {
  const writers = ['a', 'b', 'c'].map((who) => other('append-many.ts', path, who, '150'));
  expect(await Promise.all(writers.map((writer) => writer.ended))).toEqual([0, 0, 0]);
  const store = LabelStore.open(path);
  expect(store.counts().labels).toBe(450);
  expect(store.verify()).toEqual([]);
  expect([...store.iterate()]).toHaveLength(450);
  store.close();
});

test('a writer that is killed loses nothing that it had stored, and the store stays sound', async () => {
  const writer = other('append-many.ts', path, 'doomed', '100000');
  await writer.line('stored 100');
  writer.child.kill('SIGKILL');
  await writer.ended;
  const said = writer.lines.length;
  const store = LabelStore.open(path);
  expect(store.counts().labels).toBeGreaterThanOrEqual(said);
  expect(store.counts().labels).toBeLessThanOrEqual(said + 1);
  expect(store.verify()).toEqual([]);
  const job = exampleJob('after the crash');
  expect(store.append(exampleMeasured(job), job)).toBe(true);
  store.close();
});

import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dir } from 'tmp-promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildDataset } from '../../src/dataset/build.js';
import { readDataset } from '../../src/dataset/read.js';
import { callOf, type DatasetRow, type LabelledExample } from '../../src/dataset/row.js';
import type { SplitName } from '../../src/dataset/split.js';
import { example, failed, kernelText, learnable } from './examples.js';

let home = '';
let cleanup = async (): Promise<void> => {};
beforeAll(async () => {
  const folder = await dir({ unsafeCleanup: true });
  home = folder.path;
  cleanup = folder.cleanup;
});
afterAll(() => cleanup());

const kvalVersion = '0.0.1';

describe('buildDataset', () => {
  it('gives the same bytes for the same examples in any order', async () => {
    const examples = learnable(120);
    const one = await buildDataset(examples, { kvalVersion }, join(home, 'one'));
    const two = await buildDataset([...examples].reverse(), { kvalVersion }, join(home, 'two'));
    expect(two).toEqual(one);
    for (const name of await readdir(join(home, 'one'))) {
      expect(await readFile(join(home, 'two', name), 'utf8')).toBe(await readFile(join(home, 'one', name), 'utf8'));
    }
    const packed = await buildDataset(examples, { kvalVersion, gzip: true }, join(home, 'packed'));
    expect(packed.id).not.toBe(one.id);
    expect(await rowsOf(join(home, 'packed'), 'test')).toEqual(await rowsOf(join(home, 'one'), 'test'));
  });

  it('writes chats in the tool template, with the kernel last and the answer as JSON', async () => {
    const timed = example({ kernel: 'kernel one\n' });
    const wrong = example({ kernel: 'two\n', label: { correct: false, runtimeMs: null } });
    const untimed = example({ kernel: 'three\n', label: { fidelity: 'emulated', runtimeMs: null, device: 'cpu' } });
    const built = example({
      kernel: 'four\n',
      label: { fidelity: 'built', correct: null, runtimeMs: null, device: null },
    });
    const broken = example({ kernel: 'five\n', label: { ...failed, device: null } });
    const folder = join(home, 'chat');
    await buildDataset(
      [timed, wrong, untimed, built, broken],
      { kvalVersion, shares: { validation: 0, test: 0 } },
      folder,
    );
    const rows = await rowsOf(folder, 'train');
    const answers = new Map(rows.map((row) => [row.candidate.hash, row.messages[2]?.content]));
    expect(answers.get(timed.candidate.hash)).toBe('{"compiled":true,"correctness":true,"runtime_ms":1.5}');
    expect(answers.get(wrong.candidate.hash)).toBe('{"compiled":true,"correctness":false,"runtime_ms":null}');
    expect(answers.get(untimed.candidate.hash)).toBe('{"compiled":true,"correctness":true}');
    expect(answers.get(built.candidate.hash)).toBe('{"compiled":true}');
    expect(answers.get(broken.candidate.hash)).toBe('{"compiled":false,"correctness":false,"runtime_ms":null}');
    const row = rows.find((one) => one.candidate.hash === timed.candidate.hash);
    expect(row?.messages.map((message) => message.role)).toEqual(['system', 'user', 'assistant']);
    expect(row?.messages[0]?.content).toContain('"api_name":"cuda_code_validator"');
    expect(row?.messages[1]?.content.endsWith('"kernel":"kernel one\\n"}}')).toBe(true);
    expect(row === undefined ? null : callOf(row)).toEqual({
      problem: timed.problem.source,
      device: 'Test GPU',
      language: 'python',
      kernel: 'kernel one\n',
    });
  });

  it('cuts off what a control says of itself', async () => {
    const folder = join(home, 'controls');
    const told = example({ kernel: '# expected: mismatch shape\n# drops a dimension\nimport torch\n# a comment\n' });
    const bare = example({ kernel: '// expected: correct\n// in order\n#include <torch/extension.h>\n' });
    await buildDataset([told, bare], { kvalVersion, shares: { validation: 0, test: 0 } }, folder);
    const kernels = (await rowsOf(folder, 'train')).map((row) => callOf(row).kernel);
    expect(kernels.sort()).toEqual(['#include <torch/extension.h>\n', 'import torch\n# a comment\n']);
  });

  it('counts everything it leaves out', async () => {
    const examples = [
      example({ kernel: kernelText(1) }),
      example({ kernel: kernelText(1) }),
      example({ kernel: kernelText(2), label: { compiled: null, correct: null, runtimeMs: null } }),
      example({ kernel: kernelText(3), label: { ...failed, correct: true } }),
      example({ kernel: kernelText(4) }),
      example({ kernel: kernelText(4), label: failed }),
      example({ kernel: kernelText(5), label: { source: 'published', fidelity: 'published' } }),
      example({ kernel: kernelText(6) }),
      example({ kernel: kernelText(6), label: { fidelity: 'built', correct: null, runtimeMs: null } }),
      example({ kernel: `${kernelText(7)}${'# long\n'.repeat(2000)}` }),
    ];
    const manifest = await buildDataset(examples, { kvalVersion, maxCharacters: 8000 }, join(home, 'filtered'));
    expect(manifest.examples).toBe(10);
    expect(manifest.filtered).toEqual({
      malformed: 0,
      unknown: 1,
      otherLabels: 1,
      impossible: 1,
      tooLong: 1,
      superseded: 1,
      duplicates: 1,
      contradicting: 2,
      nearDuplicates: 0,
    });
    const rows = manifest.files.reduce((sum, file) => sum + file.rows, 0);
    expect(rows + Object.values(manifest.filtered).reduce((sum, count) => sum + count, 0)).toBe(10);
  });

  it('prefers our own label to a published one of the same kernel', async () => {
    const kernel = kernelText(9);
    const published = { source: 'published', fidelity: 'published' } as const;
    const examples = [example({ kernel, label: { ...published, ...failed } }), example({ kernel })];
    const manifest = await buildDataset(examples, { kvalVersion, labels: 'any' }, join(home, 'ours'));
    expect(manifest.filtered.superseded).toBe(1);
    expect(manifest.sources).toEqual([
      { labels: 'harness', fidelity: 'measured', set: 'kernelbench', generator: 'model-a', rows: 1 },
    ]);
  });

  it('keeps labels of one kernel on two devices', async () => {
    const kernel = kernelText(10);
    const examples = [example({ kernel }), example({ kernel, label: { device: 'Other GPU', runtimeMs: 9 } })];
    const manifest = await buildDataset(examples, { kvalVersion }, join(home, 'devices'));
    expect(manifest.filtered.duplicates).toBe(0);
    expect(manifest.files.reduce((sum, file) => sum + file.rows, 0)).toBe(2);
  });

  it('refuses to write where something else stands, and to write nothing', async () => {
    const foreign = join(home, 'foreign');
    await mkdir(foreign);
    await writeFile(join(foreign, 'thesis.tex'), 'mine');
    await expect(buildDataset(learnable(5), { kvalVersion }, foreign)).rejects.toMatchObject({ code: 'usage' });
    expect(await readdir(foreign)).toEqual(['thesis.tex']);
    await expect(buildDataset([], { kvalVersion }, join(home, 'none'))).rejects.toMatchObject({ code: 'bad-input' });
  });

  it('leaves the old set whole when it is stopped', async () => {
    const folder = join(home, 'stopped');
    const before = await buildDataset(learnable(30), { kvalVersion }, folder);
    const stop = new AbortController();
    const examples = function* (): Generator<LabelledExample> {
      yield* learnable(60);
      stop.abort();
    };
    await expect(buildDataset(examples(), { kvalVersion, signal: stop.signal }, folder)).rejects.toMatchObject({
      code: 'interrupted',
    });
    expect((await readDataset(folder)).manifest.id).toBe(before.id);
    expect((await readdir(home)).filter((name) => name.startsWith('stopped'))).toEqual(['stopped']);
  });
});

describe('readDataset', () => {
  it('refuses rows and manifests that were edited by hand', async () => {
    const folder = join(home, 'edited');
    await buildDataset(learnable(40), { kvalVersion }, folder);
    await appendFile(join(folder, 'README.md'), 'A note.\n');
    expect((await readDataset(folder)).manifest.examples).toBe(40);
    const manifest = await readFile(join(folder, 'manifest.json'), 'utf8');
    await writeFile(join(folder, 'manifest.json'), manifest.replace('"examples": 40', '"examples": 41'));
    await expect(readDataset(folder)).rejects.toMatchObject({ code: 'dataset-changed' });
    await writeFile(join(folder, 'manifest.json'), manifest);
    const train = await readFile(join(folder, 'train.jsonl'), 'utf8');
    await writeFile(join(folder, 'train.jsonl'), train.replace('\\"compiled\\":true', '\\"compiled\\":false'));
    await expect(readDataset(folder)).rejects.toMatchObject({ code: 'dataset-changed' });
    await writeFile(join(folder, 'manifest.json'), '{');
    await expect(readDataset(folder)).rejects.toMatchObject({ code: 'dataset-changed' });
    await expect(readDataset(join(home, 'nowhere'))).rejects.toMatchObject({ code: 'not-found' });
  });
});

async function rowsOf(folder: string, split: SplitName): Promise<DatasetRow[]> {
  const rows: DatasetRow[] = [];
  for await (const row of (await readDataset(folder)).rows(split)) rows.push(row);
  return rows;
}

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.js';
import { readProblems } from '../../src/import/problems.js';

const fixtures = join(import.meta.dirname, '..', 'fixtures', 'imports');
const text = (factor: number): string =>
  `class Model:\n    factor = ${factor}\n\n\ndef get_inputs():\n    return []\n\n\ndef get_init_inputs():\n    return []\n`;
let scratch = '';

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'kval-problems-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

describe('readProblems', () => {
  it.each(['checkout', 'checkout/KernelBench'])('reads a checkout at %s', async (path) => {
    const report = await readProblems(join(fixtures, path));
    expect(report.items.map(({ id, name, hasSmall }) => [id, name, hasSmall])).toEqual([
      ['level1/1', 'Add_one', false],
      ['level1/10', 'Add_two', true],
      ['level2/2', 'Add_three', false],
    ]);
    expect(report.read).toBe(5);
    expect(report.malformed).toEqual([
      {
        where: 'level2/3_Broken.py',
        line: null,
        reason: expect.stringContaining('class Model, get_inputs, get_init_inputs'),
      },
    ]);
    expect(report.skipped.map((note) => note.where)).toEqual(['level2/notes.py']);
  });

  it('reads one level, in a set of its own', async () => {
    const report = await readProblems(join(fixtures, 'checkout', 'KernelBench', 'level1'), { set: 'mine' });
    expect(report.items.map((problem) => problem.id)).toEqual(['mine/level1/1', 'mine/level1/10']);
  });

  it('reads a parquet file, and a folder with one file for each level', async () => {
    const path = join(fixtures, 'level_1-00000-of-00001.parquet');
    const report = await readProblems(path);
    expect(report.items.map(({ id, name }) => [id, name])).toEqual([
      ['level1/1', 'Twice'],
      ['level1/2', 'Thrice'],
      ['level1/3', 'Fourfold'],
    ]);
    await mkdir(join(scratch, 'tables', 'data'), { recursive: true });
    const row = (level: unknown, id: unknown): string =>
      JSON.stringify({ code: text(1), level, name: 'Add.py', problem_id: id });
    await writeFile(join(scratch, 'tables', 'data', 'level_1.jsonl'), `${row('level_1', 1)}\n${row(undefined, '2')}\n`);
    await writeFile(join(scratch, 'tables', 'data', 'level_2.jsonl'), `${row(2, 1)}\n`);
    const folder = await readProblems(join(scratch, 'tables'));
    expect(folder.items.map((problem) => problem.id)).toEqual(['level1/1', 'level1/2', 'level2/1']);
  });

  it('reads the starter set under its own name', async () => {
    const report = await readProblems(readConfig().starterFolder);
    expect(report.items.length).toBeGreaterThanOrEqual(32);
    expect(report.items.every((problem) => problem.id.startsWith('starter/') && problem.hasSmall)).toBe(true);
    expect([report.malformed, report.skipped, report.duplicates]).toEqual([[], [], 0]);
  });

  it('counts a repeated row, and refuses a second text for one id', async () => {
    const row = (factor: number): string => JSON.stringify({ code: text(factor), level: 1, name: 'a', problem_id: 1 });
    const path = join(scratch, 'twice.jsonl');
    await writeFile(path, `${row(1)}\n${row(1)}\n${row(2)}\n{"level": 1}\n`);
    const report = await readProblems(path);
    expect([report.items.length, report.duplicates, report.malformed.length, report.read]).toEqual([1, 1, 2, 4]);
    expect(report.malformed.map((note) => note.line)).toEqual([3, 4]);
    expect(report.malformed[0]?.reason).toContain('--set');
  });

  it('says what is wrong with a path that holds no problems', async () => {
    await mkdir(join(scratch, 'bare'));
    await writeFile(join(scratch, 'empty.jsonl'), '');
    await writeFile(join(scratch, 'one.py'), text(1));
    const messages: Record<string, string> = {
      'no-such-path': 'cannot read',
      bare: 'holds no problems',
      'empty.jsonl': 'is empty',
      'one.py': 'neither parquet nor JSON Lines',
    };
    for (const [name, message] of Object.entries(messages)) {
      await expect(readProblems(join(scratch, name))).rejects.toMatchObject({
        code: 'bad-input',
        message: expect.stringContaining(message),
      });
    }
  });
});

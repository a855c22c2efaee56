import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.js';
import { KvalError } from '../../src/errors.js';
import { candidatesIn, type ReadCandidatesOptions, readCandidates } from '../../src/import/candidates.js';
import { readProblems } from '../../src/import/problems.js';
import type { ImportReport } from '../../src/import/report.js';
import { makeProblem } from '../../src/problem.js';

const fixtures = join(import.meta.dirname, '..', 'fixtures', 'imports');
let scratch = '';

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'kval-import-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(scratch, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, content);
  return path;
}

function counts<T>(report: ImportReport<T>): Record<string, number> {
  const { items, read, malformed, skipped, duplicates } = report;
  return { read, items: items.length, malformed: malformed.length, skipped: skipped.length, duplicates };
}

async function failure(path: string, options?: ReadCandidatesOptions): Promise<KvalError> {
  const thrown: unknown = await readCandidates(path, options).then(
    () => null,
    (error: unknown) => error,
  );
  if (!(thrown instanceof KvalError)) throw new Error(`no KvalError but ${String(thrown)}`);
  return thrown;
}

const kernel = 'import torch\nclass ModelNew(torch.nn.Module):\n    pass\n';
const row = (fields: Record<string, unknown> = {}): string =>
  JSON.stringify({ level: 1, problem_id: 3, code: kernel, ...fields });

describe('runs folders', () => {
  it('reads KernelBench files, their labels and the model of the run', async () => {
    const report = await readCandidates(join(fixtures, 'runs', 'parrot_level1_run'));
    expect(counts(report)).toEqual({ read: 5, items: 4, malformed: 0, skipped: 1, duplicates: 0 });
    expect(report.skipped[0]?.reason).toContain('problem 9');
    const [first, second, third, fourth] = report.items;
    expect(first?.candidate).toMatchObject({
      problemId: 'level1/1',
      language: 'python',
      origin: { generator: 'parrot-7b', run: 'parrot_level1_run', sample: 0, source: 'parrot_level1_run' },
    });
    expect(first?.backend).toBe('cuda');
    expect(first?.published).toMatchObject({
      compiled: true,
      correct: true,
      runtimeMs: 1.25,
      gpu: 'NVIDIA H200',
      kind: 'correct',
      raw: { sample_id: 0, runtime_stats: { num_trials: 100 } },
    });
    expect(second?.candidate.origin.sample).toBe(1);
    expect(second?.published).toMatchObject({
      compiled: true,
      correct: null,
      runtimeMs: null,
      kind: 'out-of-memory',
      raw: { correctness: false, runtime: -1 },
    });
    expect(third?.published).toMatchObject({ compiled: false, correct: false, kind: 'compile-error' });
    expect(fourth?.published).toBeNull();
  });

  it('reads the dialect without lists, with the NaN that Python writes', async () => {
    const report = await readCandidates(join(fixtures, 'nested', 'finch_level2_run'));
    expect(counts(report)).toEqual({ read: 2, items: 2, malformed: 0, skipped: 0, duplicates: 0 });
    expect(report.items.map((item) => item.candidate.origin.generator)).toEqual(['finch', 'finch']);
    expect(report.items[0]?.published).toMatchObject({ compiled: true, correct: false, kind: 'mismatch' });
    expect(report.items[1]?.published).toMatchObject({
      compiled: false,
      correct: false,
      kind: 'cuda-fault',
      runtimeMs: null,
      gpu: 'NVIDIA L40S',
    });
  });

  it('reads the dialect that is a list', async () => {
    const report = await readCandidates(join(fixtures, 'list', 'heron_level1_run'));
    expect(counts(report)).toEqual({ read: 3, items: 2, malformed: 1, skipped: 0, duplicates: 0 });
    expect(report.malformed[0]).toMatchObject({ where: 'eval_results.json', line: 3 });
    expect(report.items[0]?.published).toMatchObject({
      compiled: true,
      correct: true,
      runtimeMs: 0.5,
      gpu: 'NVIDIA H100',
    });
    expect(report.items[1]?.published).toMatchObject({
      compiled: true,
      correct: null,
      runtimeMs: null,
      kind: 'no-kernel-image',
    });
  });

  it('reads detailed results beside problem_N_kernel.py', async () => {
    const report = await readCandidates(join(fixtures, 'detailed', 'opus_level2_run'));
    expect(counts(report)).toEqual({ read: 3, items: 3, malformed: 0, skipped: 0, duplicates: 0 });
    expect(report.items.map((item) => item.candidate.problemId)).toEqual(['level2/1', 'level2/2', 'level2/3']);
    expect(report.items[0]?.candidate.origin.generator).toBe('wren-4');
    expect(report.items[0]?.published).toMatchObject({ correct: true, runtimeMs: 6.5, raw: { eval_time: 75.5 } });
    expect(report.items[1]?.published).toMatchObject({ compiled: null, correct: null, kind: 'unstated' });
    expect(report.items[2]?.published).toBeNull();
  });

  it('reads results.jsonl with a status, its code from generated_kernels', async () => {
    const report = await readCandidates(join(fixtures, 'results', 'night'));
    expect(counts(report)).toEqual({ read: 5, items: 3, malformed: 0, skipped: 2, duplicates: 0 });
    expect(report.items.map((item) => item.candidate.problemId)).toEqual(['level1/1', 'level1/2', 'level1/5']);
    expect(report.items.map((item) => item.candidate.origin.generator)).toEqual(['lark', 'lark', 'lark']);
    expect(report.items[0]?.published).toMatchObject({ correct: true, runtimeMs: 3.5, speedup: 1.5 });
    expect(report.items[1]?.published).toMatchObject({ compiled: null, correct: null, kind: 'static-check' });
    expect(report.items[2]?.published).toMatchObject({ compiled: null, correct: null, kind: 'not-evaluated' });
    expect(report.skipped.map((note) => [note.line, note.reason])).toEqual([
      [3, 'the row holds no kernel (status: generation_error)'],
      [4, 'the row holds no kernel (status: extraction_failed)'],
    ]);
  });

  it('finds runs folders inside a folder, and takes eval_results.json for its folder', async () => {
    const all = await readCandidates(join(fixtures, 'runs'));
    expect(counts(all)).toEqual({ read: 5, items: 4, malformed: 0, skipped: 1, duplicates: 0 });
    const named = await readCandidates(join(fixtures, 'runs', 'parrot_level1_run', 'eval_results.json'));
    expect(named.items).toEqual(all.items);
  });

  it('puts the problems of a generated folder into the set that its configuration names', async () => {
    await file('own/level_1_problem_7_sample_0_kernel.py', kernel);
    await file('own/generation_config.yaml', 'model_name: "wren"\nproblem_set: starter\n');
    const report = await readCandidates(join(scratch, 'own'));
    expect(report.items[0]?.candidate.problemId).toBe('starter/level1/7');
    const moved = await readCandidates(join(scratch, 'own'), { set: 'mine' });
    expect(moved.items[0]?.candidate.problemId).toBe('mine/level1/7');
  });

  it('notes a results file that is cut off, and reads the kernels', async () => {
    await file('torn/level_1_problem_7_sample_0_kernel.py', kernel);
    await file('torn/eval_results.json', '{"7": [{"compiled": tr');
    const report = await readCandidates(join(scratch, 'torn'));
    expect(counts(report)).toEqual({ read: 2, items: 1, malformed: 1, skipped: 0, duplicates: 0 });
    expect(report.malformed[0]).toMatchObject({ where: 'eval_results.json', line: null });
    expect(report.items[0]?.published).toBeNull();
  });

  it('reads the stated kind of a folder that could be two, and of the folders in it', async () => {
    await file('both/level2_run/level_2_problem_7_sample_0_kernel.py', kernel);
    await file('both/level2_run/problem_8_kernel.py', kernel);
    const ids = async (format: 'auto' | 'runs' | 'detailed'): Promise<string[]> =>
      (await readCandidates(join(scratch, 'both'), { format })).items.map((item) => item.candidate.problemId);
    expect([await ids('auto'), await ids('runs'), await ids('detailed')]).toEqual([
      ['level2/7'],
      ['level2/7'],
      ['level2/8'],
    ]);
  });

  it('names a folder whose level nobody says', async () => {
    await file('flat/problem_4_kernel.py', kernel);
    const report = await readCandidates(join(scratch, 'flat'));
    expect(counts(report)).toEqual({ read: 1, items: 0, malformed: 1, skipped: 0, duplicates: 0 });
    expect(report.malformed[0]?.reason).toContain('--level');
    const told = await readCandidates(join(scratch, 'flat'), { level: 3 });
    expect(told.items[0]?.candidate.problemId).toBe('level3/4');
  });
});

describe('tables', () => {
  it('reads the archive columns: bare CUDA, its own reference, a compile flag only where the error shows it', async () => {
    const report = await readCandidates(join(fixtures, 'archive.parquet'));
    expect(counts(report)).toEqual({ read: 6, items: 5, malformed: 0, skipped: 1, duplicates: 0 });
    expect(report.skipped[0]).toMatchObject({ where: 'archive.parquet', line: 6 });
    expect(
      report.items.map((item) => [item.published?.compiled, item.published?.correct, item.published?.kind]),
    ).toEqual([
      [true, true, 'correct'],
      [true, false, 'mismatch'],
      [false, false, 'compile-error'],
      [null, null, 'out-of-memory'],
      [true, false, 'runtime-error'],
    ]);
    const [first] = report.items;
    expect(first?.candidate).toMatchObject({
      language: 'cuda',
      problemId: 'ai-cuda-engineer-archive/level1/7',
      origin: { generator: 'AI-CUDA-Engineer-Archive', sample: 100 },
    });
    expect(first?.problem).toMatchObject({ id: 'ai-cuda-engineer-archive/level1/7', name: 'scale' });
    expect(first?.published).toMatchObject({ runtimeMs: 0.25, speedup: 2, raw: { Kernel_Name: 'scale_0' } });
    expect(Object.keys(Object(first?.published?.raw))).not.toContain('CUDA_Code');
    expect(report.items[3]?.published?.runtimeMs).toBeNull();
  });

  it('reads a JSON array, and CUDA-L1 rows as first published', async () => {
    const path = await file(
      'a100.json',
      `${JSON.stringify({ level_id: 1, task_id: 4, ref_code: 'class Model: pass', custom_code: kernel, score_default: 2.5 })}
${JSON.stringify({ level_id: 1, task_id: 5, ref_code: 'class Model: pass', custom_code: 'None', score_default: 1 })}
${JSON.stringify({ level_id: 1, task_id: 6, ref_code: 'class Model: pass', custom_code: null, score_default: 1 })}\n`,
    );
    const report = await readCandidates(path, { source: 'deepreinforce-ai/CUDA-L1' });
    expect(counts(report)).toEqual({ read: 3, items: 1, malformed: 0, skipped: 2, duplicates: 0 });
    expect(report.items[0]?.candidate).toMatchObject({
      problemId: 'cuda-l1/level1/4',
      origin: { generator: 'CUDA-L1', run: 'a100' },
    });
    expect(report.items[0]?.published).toMatchObject({ speedup: 2.5, compiled: null, correct: null });
    const array = await file('rows.json', `[\n  ${row()},\n  17\n]`);
    const arrayReport = await readCandidates(array);
    expect(counts(arrayReport)).toEqual({ read: 2, items: 1, malformed: 1, skipped: 0, duplicates: 0 });
  });

  it.each([
    [{ level: 'level_2', problem_id: '7' }, 'level2/7'],
    [{ level: '2', problem_id: '19_ReLU.py' }, 'level2/19'],
    [{ level: null, task_id: '3_44', problem_id: undefined }, 'level3/44'],
    [{ level: 9, problem_id: 'level1/8' }, 'level1/8'],
    [{ problem_set: 'mine' }, 'mine/level1/3'],
  ])('reads the problem of %j', async (fields, id) => {
    const report = await readCandidates(await file('ids.jsonl', row(fields)));
    expect(report.items.map((item) => item.candidate.problemId)).toEqual([id]);
  });

  it.each([
    [-1, null],
    [0, null],
    [null, null],
    ['NaN', null],
    [0.125, 0.125],
  ])('takes a published runtime of %s for %s', async (runtime, expected) => {
    const text = row({ published: { compiled: true, correctness: true, runtime_ms: runtime } }).replace('"NaN"', 'NaN');
    const report = await readCandidates(await file('runtime.jsonl', text));
    expect(report.items[0]?.published).toMatchObject({ runtimeMs: expected, correct: true });
  });

  it('counts and names what is malformed and takes the rest', async () => {
    const lines = [
      Buffer.from(`\uFEFF${row({ sample_id: 0 })}\r\n`),
      Buffer.from('\r\n'),
      Buffer.from('{"level": 1, "problem_id": 3, "code": \n'),
      Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d, 0x0a]),
      Buffer.from('[1, 2]\n'),
      Buffer.from(`${row({ problem_id: 'conv' })}\n`),
      Buffer.from(`${row({ level: null })}\n`),
      Buffer.from(`${JSON.stringify({ level: 1, problem_id: 3 })}\n`),
      Buffer.from(`${row({ code: 17 })}\n`),
      Buffer.from(`${row({ code: `${kernel}#${'x'.repeat(10_000_000)}` })}\n`),
      Buffer.from(`${row({ code: 'a\0b' })}\n`),
      Buffer.from(`${row({ sample_id: 0 })}\n`),
      Buffer.from(row({ sample_id: 1 })),
    ];
    const report = await readCandidates(await file('mixed.jsonl', Buffer.concat(lines)));
    expect(counts(report)).toEqual({ read: 12, items: 2, malformed: 9, skipped: 0, duplicates: 1 });
    expect(report.malformed.map((note) => note.line)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(report.malformed.every((note) => note.where === 'mixed.jsonl')).toBe(true);
    const reasons = report.malformed.map((note) => note.reason);
    for (const [index, part] of [
      'not JSON',
      'UTF-8',
      'object',
      'number',
      'level',
      'kernel',
      'text',
      'limit',
      'NUL',
    ].entries()) {
      expect(reasons[index]).toContain(part);
    }
    expect(report.items[0]?.candidate.source).toBe(kernel);
  });

  it('keeps the same kernel of two runs apart', async () => {
    const path = await file(
      'twins.jsonl',
      `${row({ run: 'gemini_level1_run' })}\n${row({ run: 'qwen3_level1_run' })}\n`,
    );
    const report = await readCandidates(path);
    expect(report.items.map((item) => item.candidate.origin.generator)).toEqual(['gemini', 'qwen3']);
    expect(new Set(report.items.map((item) => item.candidate.hash)).size).toBe(1);
  });

  it('refuses a parquet file that is cut off', async () => {
    const error = await failure(await file('cut.parquet', 'PAR1 and then nothing'));
    expect([error.code, error.message]).toEqual(['bad-input', expect.stringContaining('not a readable parquet file')]);
  });
});

describe('sources', () => {
  const shift = makeProblem({ set: 'starter', level: 1, number: 7, name: 'Shift', source: 'x' });

  it('reads a folder of files whose paths name the problem', async () => {
    const report = await readCandidates(join(fixtures, 'sources'), { set: 'mine', problems: [shift] });
    expect(counts(report)).toEqual({ read: 4, items: 3, malformed: 1, skipped: 0, duplicates: 0 });
    expect(report.malformed[0]).toMatchObject({ where: 'nameless.py', line: null });
    expect(
      report.items.map(({ candidate }) => [candidate.problemId, candidate.language, candidate.origin.sample]),
    ).toEqual([
      ['starter/level1/7', 'python', 0],
      ['mine/level1/3', 'python', 0],
      ['mine/level1/4', 'cuda', 2],
    ]);
  });

  it('reads the candidates that ship, each for a problem of the starter set', async () => {
    const config = readConfig();
    const { items: problems } = await readProblems(config.starterFolder);
    const report = await readCandidates(config.starterCandidatesFolder, { problems });
    expect(report.items.length).toBeGreaterThanOrEqual(60);
    expect([report.malformed, report.skipped, report.duplicates]).toEqual([[], [], 0]);
    const ids = new Set(problems.map((problem) => problem.id));
    expect(report.items.filter((item) => !ids.has(item.candidate.problemId))).toEqual([]);
  });

  it('reads one file for a stated problem', async () => {
    const path = join(fixtures, 'sources', 'nameless.py');
    const report = await readCandidates(path, { problem: 'starter/level2/5', generator: 'me' });
    expect(report.items[0]?.candidate).toMatchObject({ problemId: 'starter/level2/5', origin: { generator: 'me' } });
    const error = await failure(path);
    expect([error.code, error.fix]).toEqual(['bad-input', expect.stringContaining('--problem')]);
  });

  it('takes every source of a runs folder as a file where it is told to', async () => {
    const report = await readCandidates(join(fixtures, 'runs', 'parrot_level1_run'), { format: 'files' });
    expect(report.items).toHaveLength(4);
    expect(report.items.every((item) => item.published === null)).toBe(true);
  });
});

describe('standard input', () => {
  it('reads JSON Lines that arrive in pieces', async () => {
    const text = `${row({ sample_id: 0, code: `# ü\n${kernel}` })}\nnot json\n${row({ sample_id: 1 })}\n`;
    const bytes = Buffer.from(text);
    const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, at) => bytes.subarray(at * 7, at * 7 + 7));
    const report = await readCandidates('-', { input: Readable.from(pieces) });
    expect(counts(report)).toEqual({ read: 3, items: 2, malformed: 1, skipped: 0, duplicates: 0 });
    expect(report.items[0]?.candidate.source).toContain('ü');
    expect(report.malformed[0]).toMatchObject({ where: '-', line: 2 });
  });

  it('reads one source for a stated problem', async () => {
    const report = await readCandidates('-', { input: Readable.from([Buffer.from(kernel)]), problem: 'level1/3' });
    expect(report.items[0]?.candidate).toMatchObject({ problemId: 'level1/3', source: kernel });
  });

  it('refuses nothing, too much, and a source without its problem', async () => {
    expect((await failure('-', { input: Readable.from([]) })).message).toContain('empty');
    expect((await failure('-', { input: Readable.from([Buffer.from(kernel)]) })).fix).toContain('--problem');
    const large = Readable.from([Buffer.from(kernel), Buffer.alloc(10_000_000, 'x')]);
    expect((await failure('-', { input: large, problem: 'level1/3' })).code).toBe('bad-input');
  });
});

describe('what cannot be read', () => {
  it('says so, and what to do', async () => {
    const empty = await file('empty.jsonl', '');
    const nothing = join(scratch, 'nothing');
    await mkdir(nothing);
    const cases: [string, ReadCandidatesOptions, string][] = [
      [join(scratch, 'no-such-file'), {}, 'cannot read'],
      [empty, {}, 'is empty'],
      [nothing, {}, 'holds no candidates'],
      [await file('large.py', 'x'.repeat(10_000_000)), { problem: 'level1/1' }, 'the limit is'],
      [await file('latin.py', Buffer.from([0x61, 0xe9, 0x0a])), { problem: 'level1/1' }, 'not UTF-8'],
      [await file('blank.py', ' \n\n'), { problem: 'level1/1' }, 'is empty'],
    ];
    for (const [path, options, message] of cases) {
      const error = await failure(path, options);
      expect([error.code, error.message]).toEqual(['bad-input', expect.stringContaining(message)]);
      expect(error.fix).not.toBe('');
    }
    const error = await failure(await file('runs.jsonl', row()), { format: 'runs' });
    expect(error.code).toBe('usage');
  });

  it('goes on past a broken file of a folder', async () => {
    await file('some/a.jsonl', row());
    await file('some/b.jsonl', '');
    await file('some/c.parquet', 'PAR1PAR1');
    await file('some/level1/5_x.py', Buffer.from([0xff, 0xfe]));
    const report = await readCandidates(join(scratch, 'some'));
    expect(counts(report)).toEqual({ read: 4, items: 1, malformed: 3, skipped: 0, duplicates: 0 });
    expect(report.malformed.map((note) => note.where)).toEqual(['b.jsonl', 'c.parquet', 'level1/5_x.py']);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const path = await file('long.jsonl', `${row({ sample_id: 0 })}\n`.repeat(20_000));
    let read = 0;
    const reading = (async () => {
      for await (const _ of candidatesIn(path, { signal: stop.signal })) {
        read += 1;
        if (read === 10) stop.abort();
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'interrupted' });
    expect(read).toBeLessThan(20_000);
  });
});

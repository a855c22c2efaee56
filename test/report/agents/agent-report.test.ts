import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dir } from 'tmp-promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../../src/config.js';
import { Kval } from '../../../src/kval.js';
import { agentReportSchema } from '../../../src/report/agents/agent-report.js';
import { renderAgentHtml, renderAgentMarkdown, renderAgentTerminal } from '../../../src/report/agents/render.js';
import { demoRuns } from './demo.js';

let folder: { path: string; cleanup: () => Promise<void> };
const at = (...names: string[]): string => join(folder.path, ...names);
beforeAll(async () => {
  folder = await dir({ unsafeCleanup: true });
});
afterAll(() => folder.cleanup());

const kernel = (name: string): string =>
  `import torch\n\n\nclass ModelNew(torch.nn.Module):\n    def forward(self, x):\n        return x  # ${name}\n`;

/** A runs folder as KernelBench writes it: three problems of level 1, one with two samples. */
async function runsFolder(): Promise<string> {
  const run = at('runs', 'parrot');
  await mkdir(run, { recursive: true });
  const files = ['1_sample_0', '1_sample_1', '2_sample_0', '3_sample_0'];
  await Promise.all(files.map((name) => writeFile(join(run, `level_1_problem_${name}_kernel.py`), kernel(name))));
  const result = (sample: number, correctness: boolean, runtime: number, metadata = {}) => ({
    sample_id: sample,
    compiled: true,
    correctness,
    metadata,
    runtime,
    runtime_stats: {},
  });
  const results = {
    1: [result(0, true, 2), result(1, false, -1)],
    2: [result(0, true, 8)],
    3: [result(0, false, -1, { runtime_error: 'CUDA out of memory' })],
  };
  await writeFile(join(run, 'eval_results.json'), JSON.stringify(results));
  return run;
}

async function score(options: { baseline?: string; models?: string[] }) {
  const config = { ...readConfig(), home: at('home') };
  const kval = new Kval(config, { store: at('labels.db') });
  try {
    return await kval.agentReport({
      runs: [await runsFolder()],
      baseline: options.baseline ?? null,
      models: options.models ?? [],
      title: 'Agents',
      commands: [],
      outFolder: at('report'),
      read: {},
    });
  } finally {
    await kval.close();
  }
}

describe('a report of a KernelBench run', () => {
  it('has the figures that a pencil gives', async () => {
    const baseline = at('baseline.json');
    await writeFile(
      baseline,
      JSON.stringify({
        level1: { '1_Square.py': { mean: 4 }, '2_Standard.py': { mean: 6 }, '3_Batched.py': { mean: 1 } },
      }),
    );
    const { report, files } = await score({ baseline });
    expect(report.levels).toHaveLength(1);
    const [level] = report.levels;
    // The official level has 100 problems; the baseline holds three of them, and KernelBench divides by those.
    expect(level).toMatchObject({ set: 'kernelbench', level: 1, problems: 100, withBaseline: 3 });
    const [published] = level?.scores ?? [];
    expect(published).toMatchObject({
      run: 'parrot',
      judge: 'published',
      kernels: 3,
      judged: 3,
      compiled: { yes: 3, unknown: 0, of: 100 },
      correct: { yes: 2, unknown: 1, of: 100 },
      timed: 2,
    });
    expect(published?.success).toEqual([
      { p: 1, count: { yes: 1, unknown: 1, of: 3 } },
      { p: 1.5, count: { yes: 1, unknown: 1, of: 3 } },
      { p: 2, count: { yes: 0, unknown: 1, of: 3 } },
    ]);
    expect(published?.geometricMean?.value).toBeCloseTo(Math.sqrt(2 * 0.75), 12);
    // Problem 1 has one right sample of two, problem 2 its only one; problem 3 was never judged.
    expect(published?.passAtK).toEqual([
      { k: 1, value: 0.75, problems: 2 },
      { k: 2, value: 1, problems: 1 },
    ]);
    expect(agentReportSchema.parse(JSON.parse(await readFile(files.json, 'utf8')))).toEqual(report);
  });

  it('says that speeds are missing instead of calling them slow', async () => {
    const { report } = await score({});
    expect(report.levels[0]?.scores[0]).toMatchObject({ timed: 0, geometricMean: null });
    const text = renderAgentTerminal(report);
    expect(text).toContain('how fast they are is not known');
    expect(text).toMatch(/published +│ +3 │ +3\.0 │ 2\.0-3\.0 │ +- │ +- │ +- │ +- │/);
    expect(renderAgentHtml(report)).toContain('No correct kernel of this level has a known speed-up');
  });

  it('says why a simulator was not asked', async () => {
    const { report } = await score({ models: [readConfig().embeddedModelFolder] });
    expect(report.judges.map(({ kind }) => kind)).toEqual(['published']);
    expect(report.notes.join(' ')).toContain('4 kernels are for problems that the store does not hold');
  });

  it('sets predicted verdicts beside published ones where the problem is known', async () => {
    const problems = at('problems.jsonl');
    const source =
      'import torch\n\n\nclass Model(torch.nn.Module):\n    def forward(self, x):\n        return x\n\n\ndef get_inputs():\n    return []\n\n\ndef get_init_inputs():\n    return []\n';
    const lines = [1, 2, 3].map((number) =>
      JSON.stringify({ level: 1, problem_id: number, name: `${number}_P`, code: `${source}# ${number}\n` }),
    );
    await writeFile(problems, `${lines.join('\n')}\n`);
    const config = { ...readConfig(), home: at('home') };
    const kval = new Kval(config, { store: at('labels.db') });
    expect((await kval.importProblems(problems, { set: 'kernelbench' })).report.malformed).toEqual([]);
    await kval.close();
    const { report } = await score({ models: [config.embeddedModelFolder] });
    expect(report.judges.map(({ kind }) => kind)).toEqual(['published', 'simulated']);
    expect(report.levels[0]?.scores.map(({ judged }) => judged)).toEqual([3, 3]);
  });

  it('refuses a baseline that is none', async () => {
    const baseline = at('none.json');
    await writeFile(baseline, '{"level1": {"1_Square.py": {"mean": -1}}}');
    await expect(score({ baseline })).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining('mean'),
    });
  });
});

describe('the forms of a report', () => {
  const report = demoRuns();

  it('keep within 100 columns on a terminal', () => {
    for (const line of renderAgentTerminal(report).split('\n')) expect(line.length, line).toBeLessThanOrEqual(100);
  });

  it('have whole tables in Markdown, and let no name become markup', () => {
    const markdown = renderAgentMarkdown(report);
    const blocks = markdown.split(/\n\n+/).filter((block) => block.startsWith('| '));
    expect(blocks).toHaveLength(4);
    for (const block of blocks) expect(new Set(block.split('\n').map((line) => line.split('|').length)).size).toBe(1);
    expect(markdown).not.toContain('<b>');
    expect(renderAgentHtml(report)).not.toContain('<b>run');
  });

  it('never show NaN', () => {
    const written = [renderAgentTerminal(report), renderAgentMarkdown(report), renderAgentHtml(report)].join('\n');
    expect(written).not.toMatch(/\bNaN\b|\bInfinity\b|undefined|\bnull\b/);
  });
});

const corpora = readConfig().corporaFolder;

describe.skipIf(corpora === null)('published runs (KVAL_CORPORA, or shared/corpora beside the checkout)', () => {
  it('have the correct kernels that their publisher counts', async () => {
    const path = join(corpora ?? '', 'candidates-techno.jsonl');
    const kval = new Kval({ ...readConfig(), home: at('home') }, { store: at('corpora.db') });
    const { report } = await kval.agentReport({
      runs: [path],
      baseline: null,
      models: [],
      title: 'Published',
      commands: [],
      outFolder: at('published'),
      read: {},
    });
    await kval.close();
    const rows = (await readFile(path, 'utf8'))
      .trim()
      .split('\n')
      .map((line): { run: string; published: { correctness: boolean } | null } => JSON.parse(line));
    const counted = report.levels.flatMap(({ scores }) =>
      scores.flatMap(({ run, correct }) => (correct === null ? [] : [[run, correct.yes] as const])),
    );
    expect(counted.length).toBeGreaterThan(6);
    for (const [run, yes] of counted) {
      expect(yes, run).toBe(rows.filter((row) => row.run === run && row.published?.correctness === true).length);
    }
  });
});

import { expect, test } from 'vitest';
import { makeCandidate } from '../../src/candidate.js';
import { readConfig } from '../../src/config.js';
import { familyCandidates, familyKernels } from '../../src/dataset/families/families.js';
import { openGrammars } from '../../src/dataset/mutate/grammars.js';
import { textsOf } from '../../src/dataset/mutate/texts.js';
import { readProblems } from '../../src/import/problems.js';

const kernels = [...familyKernels()];

test('the families write many kernels for many starter problems, no two alike', async () => {
  const { items } = await readProblems(readConfig().starterFolder);
  const known = new Set(items.map(({ id }) => id));
  const problems = new Set(kernels.map(({ problemId }) => problemId));
  expect([...problems].filter((id) => !known.has(id))).toEqual([]);
  expect(problems.size).toBeGreaterThanOrEqual(40);
  expect(kernels.length).toBeGreaterThan(1_000);
  expect(new Set(kernels.map(({ problemId, source }) => problemId + source)).size).toBe(kernels.length);
  expect(new Set(kernels.map(({ problemId, schedule }) => `${problemId} ${schedule}`)).size).toBe(kernels.length);
});

test('every kernel has one model, one kernel launch at least, and declares what it defines', async () => {
  const grammars = await openGrammars();
  for (const { problemId, schedule, source } of kernels) {
    const texts = textsOf(makeCandidate({ source, problemId }), source, grammars);
    const cuda = texts.filter(({ role }) => role === 'cuda').map(({ text }) => text);
    const [declaration = ''] = texts.filter(({ role }) => role === 'cpp').map(({ text }) => text);
    expect(cuda.join(''), schedule).toMatch(/__global__[\s\S]*<<<[\s\S]*>>>/);
    expect(cuda.join(''), schedule).toContain(`${declaration.replace(/;$/, '')} {`);
    expect(cuda.join('')).not.toMatch(/undefined|\[object|EPILOGUE|NaN/);
    expect(source.match(/class ModelNew\(nn\.Module\)/g)).toHaveLength(1);
  }
});

test('the seed decides which ones, and the same seed the same ones', () => {
  const problemIds = new Set(kernels.map(({ problemId }) => problemId));
  const hashes = (seed: number): string[] =>
    familyCandidates({ problemIds, perProblem: 3, seed }).map(({ hash }) => hash);
  expect(hashes(1)).toEqual(hashes(1));
  expect(hashes(1)).not.toEqual(hashes(2));
  expect(hashes(1)).toHaveLength(3 * problemIds.size);
});

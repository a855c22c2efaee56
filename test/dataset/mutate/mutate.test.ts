import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Candidate, makeCandidate, settingsSchema } from '../../../src/candidate.js';
import { readConfig } from '../../../src/config.js';
import { familyCandidates, familyKernels } from '../../../src/dataset/families/families.js';
import { type Mutant, mutantsOf } from '../../../src/dataset/mutate/mutate.js';
import { intents } from '../../../src/dataset/mutate/operator.js';
import { operators } from '../../../src/dataset/mutate/operators.js';
import { selectOperators, storeMutants } from '../../../src/dataset/mutate/store-mutants.js';
import { turnedOut } from '../../../src/dataset/mutate/turned-out.js';
import { readCandidates } from '../../../src/import/candidates.js';
import { readProblems } from '../../../src/import/problems.js';
import { LabelStore } from '../../../src/labels/store.js';
import type { Problem } from '../../../src/problem.js';
import { createRealValidator } from '../../../src/validator/real.js';
import type { Outcome } from '../../../src/verdict.js';
import { exampleMeasured } from '../../labels/examples.js';
import { testFolder } from '../../worker/fixture.js';

const config = readConfig();
let parents: Candidate[];
let problems: readonly Problem[];

beforeAll(async () => {
  problems = (await readProblems(config.starterFolder)).items;
  const samples = await readCandidates(config.starterCandidatesFolder, { format: 'files', set: 'starter', problems });
  const problemIds = new Set([...familyKernels()].map((kernel) => kernel.problemId));
  parents = [
    ...samples.items.map((item) => item.candidate).filter(({ source }) => /^(?:#|\/\/) expected: correct/.test(source)),
    ...familyCandidates({ problemIds, perProblem: 1, seed: 1 }),
  ];
});

async function mutate(
  options: { of?: readonly Candidate[]; only?: string; perCandidate?: number; seed?: number } = {},
) {
  const made: Mutant[] = [];
  const { of = parents, only = 'all', perCandidate = 4, seed = 1 } = options;
  for await (const mutant of mutantsOf(of, { operators: selectOperators(only), perCandidate, seed })) made.push(mutant);
  return made;
}

describe('operators', () => {
  test('are many, each with a name of its own, of every intent', () => {
    expect(operators.length).toBeGreaterThanOrEqual(30);
    expect(new Set(operators.map(({ name }) => name)).size).toBe(operators.length);
    expect(new Set(operators.map(({ intent }) => intent))).toEqual(new Set(intents));
    expect(readFileSync(join(config.root, 'README.md'), 'utf8')).toContain(`with ${operators.length} operators`);
  });

  test('each find a place in the kernels that ship, and change it', async () => {
    const made = await mutate({ perCandidate: 30 });
    const used = new Set(made.map(({ operator }) => operator.name));
    expect(operators.map(({ name }) => name).filter((name) => !used.has(name))).toEqual([]);
    const byHash = new Map(parents.map((parent) => [parent.hash, parent]));
    for (const { candidate, operator } of made) {
      const { origin } = candidate;
      const parent = byHash.get(origin.parent ?? '');
      expect(candidate.source).not.toBe(parent?.source);
      expect(candidate.source).not.toMatch(/^(?:#|\/\/) expected:/);
      expect(origin).toMatchObject({ mutation: `${operator.name} 1`, generator: parent?.origin.generator });
      expect(candidate.problemId).toBe(parent?.problemId);
    }
    const names = made.map(({ candidate: { origin } }) => `${origin.parent} ${origin.mutation} ${origin.sample}`);
    expect(new Set(names).size).toBe(made.length);
    expect(new Set(made.map(({ candidate }) => `${candidate.problemId} ${candidate.hash}`)).size).toBe(made.length);
  });
});

test('the seed decides, and nothing else', async () => {
  const hashes = (mutants: readonly Mutant[]): string[] => mutants.map(({ candidate }) => candidate.hash);
  const some = parents.slice(0, 6);
  expect(hashes(await mutate({ of: some }))).toEqual(hashes(await mutate({ of: some })));
  expect(hashes(await mutate({ of: some, seed: 2 }))).not.toEqual(hashes(await mutate({ of: some })));
});

test.each([
  ['drop-semicolon', 'y[i] = x[i];', 'y[i] = x[i]'],
  ['drop-barrier', '__syncthreads();', ';'],
  ['drop-bounds-check', 'if (i < n) y[i] = x[i];', 'if (true) y[i] = x[i];'],
  ['drop-bounds-check', 'if (i >= n) return;', 'if (false) return;'],
  ['launch-drops-argument', 'k<<<1, 2>>>(a, b);', 'k<<<1, 2>>>(a);'],
  ['drop-tail', 'int g = (n + 255) / 256;', 'int g = n / 256;'],
  ['swap-subscripts', 'y[i] = s[i][j];', 'y[i] = s[j][i];'],
  ['atomic-to-plain', 'atomicAdd(&y[i], 1.0f);', 'y[i] += 1.0f;'],
  ['turn-threads', 'i = threadIdx.x; j = threadIdx.y;', 'i = threadIdx.y; j = threadIdx.x;'],
  ['rename-kernel', 'k<<<1, 2>>>(a);', /^__global__ void (k_\w+)\(.*\1<<<1, 2>>>\(a\);/s],
])('%s makes of %s what it says', async (name, statement, becomes) => {
  const text = `__global__ void k(const float* x, float* y, int n) { ${statement} }\n`;
  const parent = makeCandidate({ source: text, language: 'cuda', problemId: 'level1/1' });
  const sources = (await mutate({ of: [parent], only: name, perCandidate: 50 })).map(
    ({ candidate }) => candidate.source,
  );
  if (typeof becomes === 'string') expect(sources).toContain(text.replace(statement, () => becomes));
  else expect(sources.some((source) => becomes.test(source))).toBe(true);
});

test('an unknown operator is told; intents name their operators', () => {
  expect(() => selectOperators('drop-everything')).toThrow('drop-everything');
  expect(selectOperators('neutral').every(({ intent }) => intent === 'neutral')).toBe(true);
});

test('mutants stand in the store beside their parents; failing parents and mutants have none; the report counts outcomes', async () => {
  const folder = testFolder();
  const store = LabelStore.open(join(folder, 'labels.db'));
  store.putProblems(problems);
  const [good, bad] = parents;
  if (good === undefined || bad === undefined) throw new Error('two samples are needed');
  store.putCandidates([good, bad].map((candidate) => ({ candidate, line: null, backend: null })));
  const label = (candidate: Candidate, outcome: Outcome): void => {
    const problem = problems.find(({ id }) => id === candidate.problemId);
    if (problem === undefined) throw new Error('no such problem');
    const job = { problem, candidate, settings: settingsSchema.parse({}) };
    store.append({ ...exampleMeasured(job), outcome }, job);
  };
  label(bad, { status: 'load-error', message: 'no', undefinedSymbols: [] });
  const options = { parents: { words: 'all' }, operators: selectOperators('drop-semicolon'), perCandidate: 3, seed: 1 };
  expect(await storeMutants(store, options)).toMatchObject({ parents: 1, failing: 1, added: 3, already: 0 });
  expect(await storeMutants(store, options)).toMatchObject({ parents: 1, failing: 1, added: 0, already: 3 });
  const mutants = [...store.candidates({ source: 'kval mutate' })].map(({ candidate }) => candidate);
  expect(mutants.map(({ origin }) => origin.parent)).toEqual([good.hash, good.hash, good.hash]);
  const outcomes: Outcome[] = [
    { status: 'compile-error', stage: 'nvcc', message: 'no', diagnostics: [] },
    { status: 'correct', timing: null, maxAbsError: 0, maxRelError: 0 },
  ];
  outcomes.forEach((outcome, place) => {
    const mutant = mutants[place];
    if (mutant !== undefined) label(mutant, outcome);
  });
  expect(turnedOut(store)).toMatchObject([
    { operator: { name: 'drop-semicolon' }, labelled: 2, asIntended: 1, byStatus: { 'compile-error': 1, correct: 1 } },
  ]);
  store.close();
  rmSync(folder, { recursive: true });
});

test('real compilers and the device cpu: a kernel of a family is correct, its mutants are what they turn out to be', async () => {
  const validator = createRealValidator({ config });
  try {
    const [kernel] = familyCandidates({ problemIds: new Set(['starter/level1/14']), perProblem: 1, seed: 1 });
    const problem = problems.find(({ id }) => id === 'starter/level1/14');
    if (kernel === undefined || problem === undefined) throw new Error('the family of rows writes a mean');
    const statusOf = async (candidate: Candidate): Promise<string> => {
      const settings = settingsSchema.parse({ device: 'cpu', small: true, trials: 2, buildPath: 'fast' });
      return (await validator.validate({ problem, candidate, settings })).outcome.status;
    };
    expect(await statusOf(kernel)).toBe('correct');
    for (const [name, status] of [
      ['misspell-variable', 'compile-error'],
      ['wrong-accumulation', 'mismatch'],
      ['rename-kernel', 'correct'],
    ] as const) {
      const [mutant] = await mutate({ of: [kernel], only: name, perCandidate: 1 });
      expect(mutant === undefined ? null : await statusOf(mutant.candidate), name).toBe(status);
    }
  } finally {
    await validator.close();
  }
}, 600_000);

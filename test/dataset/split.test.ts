import { describe, expect, it } from 'vitest';
import { jaccard, NearDuplicates, shinglesOf } from '../../src/dataset/near-duplicates.js';
import { priorsOf } from '../../src/dataset/priors.js';
import { toRow } from '../../src/dataset/row.js';
import { problemUnit, type SplitOptions, splitExamples, splitNames } from '../../src/dataset/split.js';
import { example, failed, kernelText, learnable } from './examples.js';

const options: SplitOptions = {
  kind: 'problem',
  seed: 1,
  shares: { validation: 0.1, test: 0.2 },
  holdOut: [],
  nearDuplicate: 0.85,
};

describe('splitExamples', () => {
  it('keeps all versions of a problem on one side', () => {
    const examples = learnable(200).map((one, index) =>
      index % 2 === 0 ? one : { ...one, problem: { ...one.problem, id: `cuda-l1/${one.problem.id}`, set: 'cuda-l1' } },
    );
    const { rows, units } = splitExamples(examples, options);
    const sides = splitNames.map((name) => new Set(rows[name].map((row) => problemUnit(row.problem.id))));
    expect(sides.reduce((sum, side) => sum + side.size, 0)).toBe(40);
    expect(new Set(sides.flatMap((side) => [...side])).size).toBe(40);
    expect(rows.test.length / 200).toBeCloseTo(0.2, 1);
    expect(rows.validation.length / 200).toBeCloseTo(0.1, 1);
    expect(units.train + units.validation + units.test).toBe(40);
  });

  it('gives the same sides in any order, and others with another seed', () => {
    const examples = learnable(200);
    const test = (list: typeof examples, seed: number): string[] =>
      splitExamples(list, { ...options, seed })
        .rows.test.map((row) => row.candidate.hash)
        .sort();
    expect(test([...examples].reverse(), 1)).toEqual(test(examples, 1));
    expect(test(examples, 2)).not.toEqual(test(examples, 1));
  });

  it('holds out the generators that are named', () => {
    const { rows } = splitExamples(learnable(90), { ...options, kind: 'generator', holdOut: ['model-2'] });
    expect(new Set(rows.test.map((row) => row.candidate.generator))).toEqual(new Set(['model-2']));
    expect([...rows.train, ...rows.validation].some((row) => row.candidate.generator === 'model-2')).toBe(false);
  });

  it('has near-duplicates on one side only, whatever the split', () => {
    const originals = learnable(80);
    const copies = originals.map((one, index) => {
      const source = one.candidate.source.replace('int n = x.numel();', 'int n = int(x.numel());  // a copy');
      const problem = { ...one.problem, id: `level1/${50 + index}` };
      return { ...one, problem, candidate: { ...one.candidate, hash: `copy-${index}`, source } };
    });
    for (const kind of ['problem', 'random', 'generator'] as const) {
      const { rows, nearDuplicates } = splitExamples([...originals, ...copies], { ...options, kind });
      const kept = splitNames.reduce((sum, name) => sum + rows[name].length, 0);
      expect(kept + nearDuplicates).toBe(160);
      if (kind === 'random') expect(nearDuplicates).toBe(0);
      if (kind === 'problem') expect(nearDuplicates).toBeGreaterThan(10);
      const shingles = splitNames.map((name) => rows[name].map((row) => shinglesOf(row.candidate.source)));
      const [train = [], validation = [], test = []] = shingles;
      for (const [one, other] of [
        [train, test],
        [train, validation],
        [validation, test],
      ] as const) {
        expect(Math.max(0, ...one.flatMap((a) => other.map((b) => jaccard(a, b))))).toBeLessThan(0.85);
      }
    }
  });

  it('puts everything into training where there is nothing to divide', () => {
    const { rows } = splitExamples([example(), example({ kernel: kernelText(1) })], options);
    expect(rows.train).toHaveLength(2);
  });
});

describe('NearDuplicates', () => {
  it('finds a text with other comments and layout, and not one with another kernel', () => {
    const index = new NearDuplicates();
    const text = kernelText(3);
    index.add(shinglesOf(text));
    expect(index.find(shinglesOf(text.replace(/\n/g, '\n\n').replace('int i', '// here\n  int i')))).toEqual([0]);
    expect(index.find(shinglesOf(kernelText(4)))).toEqual([]);
    expect(index.find(shinglesOf(text.replace(/x0/g, 'input_value')))).toEqual([]);
  });

  it('measures what two texts share', () => {
    const [a, b] = [shinglesOf('a b c d e f'), shinglesOf('a b c d e g')];
    expect(jaccard(a, b)).toBeCloseTo(1 / 3);
    expect(jaccard(a, a)).toBe(1);
    expect(shinglesOf('a b').length).toBe(1);
  });
});

describe('priorsOf', () => {
  it('knows the problem, else the level, else everything', async () => {
    const known = [
      example({ problem: 'level1/1', kernel: 'a' }),
      example({ problem: 'level1/1', kernel: 'b', label: failed }),
      example({ problem: 'level1/2', kernel: 'c', label: { correct: null, runtimeMs: null } }),
    ];
    const rows = known.map((one, index) =>
      toRow({ ...one, label: { ...one.label, compiled: index !== 1 } }, `${index}`),
    );
    const priors = await priorsOf(rows);
    expect(priors.of({ id: 'level1/1', level: 1 })).toEqual({ compiled: 0.5, correct: 0.5 });
    expect(priors.of({ id: 'level1/2', level: 1 })).toEqual({ compiled: 1, correct: 0.5 });
    expect(priors.of({ id: 'level1/9', level: 1 }).compiled).toBeCloseTo(2 / 3);
    expect(priors.of({ id: 'level3/9', level: 3 }).compiled).toBeCloseTo(2 / 3);
    expect(priors.majority).toEqual({ compiled: true, correct: true });
  });
});

import { describe, expect, it } from 'vitest';
import { clusteredBootstrap, seededRandom, wilson } from '../../src/report/intervals.js';
import type { Weights } from '../../src/report/metrics.js';

describe("Wilson's interval", () => {
  it('is that of the books', () => {
    const eightOfTen = wilson(8, 10);
    expect(eightOfTen?.low).toBeCloseTo(0.4901625, 6);
    expect(eightOfTen?.high).toBeCloseTo(0.9433178, 6);
    expect(wilson(0, 10)?.low).toBe(0);
    expect(wilson(0, 10)?.high).toBeCloseTo(0.2775328, 6);
    expect(wilson(10, 10)?.high).toBe(1);
    expect(wilson(0, 0)).toBeNull();
  });
});

describe('the bootstrap over problems', () => {
  const shareOf =
    (hits: readonly boolean[]) =>
    (weights: Weights): number | null => {
      let sum = 0;
      let total = 0;
      hits.forEach((hit, row) => {
        sum += hit ? (weights[row] ?? 0) : 0;
        total += weights[row] ?? 0;
      });
      return total === 0 ? null : sum / total;
    };
  const rows = Array.from({ length: 400 }, (_, row) => row);
  /** Twenty problems; within one problem everything is alike. */
  const hits = rows.map((row) => Math.floor(row / 20) % 2 === 0);

  it('gives the same for the same seed', () => {
    const clusters = rows.map((row) => `problem ${Math.floor(row / 20)}`);
    const first = clusteredBootstrap(clusters, shareOf(hits), { seed: 3 });
    expect(first).toEqual(clusteredBootstrap(clusters, shareOf(hits), { seed: 3 }));
    expect(first).not.toEqual(clusteredBootstrap(clusters, shareOf(hits), { seed: 4 }));
  });

  it('knows that kernels of one problem are not independent', () => {
    const width = (clusters: string[]): number => {
      const interval = clusteredBootstrap(clusters, shareOf(hits), { seed: 11 });
      return interval === null ? Number.NaN : interval.high - interval.low;
    };
    const byProblem = width(rows.map((row) => `problem ${Math.floor(row / 20)}`));
    const oneByOne = width(rows.map((row) => `kernel ${row}`));
    // Twenty draws of a coin against four hundred: sqrt(20) times as wide.
    expect(byProblem / oneByOne).toBeGreaterThan(3.5);
    expect(byProblem / oneByOne).toBeLessThan(5.5);
    expect(oneByOne).toBeCloseTo(2 * 1.96 * Math.sqrt(0.25 / 400), 1);
  });

  it('gives none where it would be made up', () => {
    const one = rows.map(() => 'the only problem');
    expect(clusteredBootstrap(one, shareOf(hits), { seed: 1 })).toBeNull();
    expect(clusteredBootstrap([], () => 1, { seed: 1 })).toBeNull();
    expect(clusteredBootstrap(['a', 'b'], () => null, { seed: 1 })).toBeNull();
  });
});

describe('the random numbers', () => {
  it('are even and repeatable', () => {
    const random = seededRandom(5);
    const drawn = Array.from({ length: 20_000 }, random);
    expect(drawn.every((x) => x >= 0 && x < 1)).toBe(true);
    expect(drawn.reduce((sum, x) => sum + x, 0) / drawn.length).toBeCloseTo(0.5, 1);
    const again = seededRandom(5);
    expect(drawn.slice(0, 3)).toEqual([again(), again(), again()]);
  });
});

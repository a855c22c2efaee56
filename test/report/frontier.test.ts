import { describe, expect, it } from 'vitest';
import { cheapest, frontierOf, thresholdsOf } from '../../src/report/frontier.js';
import { seededRandom } from '../../src/report/intervals.js';

/** Confidence 0.95 right, 0.9 right, 0.7 wrong, 0.6 wrong. */
const four = [
  { p: 0.95, truth: true },
  { p: 0.1, truth: false },
  { p: 0.3, truth: true },
  { p: 0.6, truth: false },
];

describe('the frontier', () => {
  it('has what a pencil gives', () => {
    expect(frontierOf(four, [1, 0.9, 0.65, 0.5])).toEqual([
      { threshold: 1, realCalls: 1, disagreement: 0, taken: 0, wrong: 0 },
      { threshold: 0.9, realCalls: 0.5, disagreement: 0, taken: 2, wrong: 0 },
      { threshold: 0.65, realCalls: 0.25, disagreement: 0.25, taken: 3, wrong: 1 },
      { threshold: 0.5, realCalls: 0, disagreement: 0.5, taken: 4, wrong: 2 },
    ]);
    expect(frontierOf([], [0.5])).toEqual([]);
  });

  it('finds the fewest real calls for a wanted error', () => {
    const points = frontierOf(four, thresholdsOf(four));
    expect(cheapest(points, 0.02)).toMatchObject({ threshold: 0.9, realCalls: 0.5 });
    expect(cheapest(points, 0.25)).toMatchObject({ threshold: 0.7, realCalls: 0.25 });
    expect(cheapest(frontierOf(four.slice(2), [0.6]), 0.02)).toBeNull();
  });

  it('is what counting each threshold gives, on any rows', () => {
    const random = seededRandom(3);
    const rows = Array.from({ length: 200 }, () => ({ p: Math.round(random() * 40) / 40, truth: random() < 0.4 }));
    for (const { threshold, taken, wrong } of frontierOf(rows, [...thresholdsOf(rows), 0.713])) {
      const kept = rows.filter(({ p }) => Math.max(p, 1 - p) >= threshold);
      expect([taken, wrong]).toEqual([kept.length, kept.filter(({ p, truth }) => p >= 0.5 !== truth).length]);
    }
  });
});

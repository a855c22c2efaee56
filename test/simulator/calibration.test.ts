import { describe, expect, it } from 'vitest';
import { calibrated, calibrationId, fitCurve, logistic, makeCalibration } from '../../src/simulator/calibration.js';
import { generator } from '../dataset/examples.js';

/** Scores that are twice too sure of themselves: the truth is drawn at half the score. */
function overconfident(rows: number): { scores: number[]; truths: boolean[] } {
  const random = generator(11);
  const scores = Array.from({ length: rows }, () => (random() - 0.5) * 8);
  return { scores, truths: scores.map((score) => random() < logistic(score / 2)) };
}

describe('fitCurve', () => {
  it('takes the excess out of overconfident scores (Platt)', () => {
    const { scores, truths } = overconfident(300);
    const curve = fitCurve(scores, truths);
    expect(curve.kind).toBe('platt');
    if (curve.kind === 'platt') {
      expect(curve.slope).toBeCloseTo(0.5, 0);
      expect(Math.abs(curve.offset)).toBeLessThan(0.4);
    }
  });

  it('takes it out with rising steps where there are rows enough (isotonic)', () => {
    const { scores, truths } = overconfident(4000);
    const curve = fitCurve(scores, truths);
    expect(curve.kind).toBe('isotonic');
    const head = { curve, basis: 'validation', rows: scores.length } as const;
    for (const score of [-3, -1, 0, 1, 3]) {
      expect(Math.abs(calibrated(head, score) - logistic(score / 2))).toBeLessThan(0.1);
    }
    const line = Array.from({ length: 200 }, (_, index) => calibrated(head, -5 + index / 20));
    expect(line.every((value, index) => index === 0 || value >= (line[index - 1] ?? 0))).toBe(true);
  });

  it('stays finite on rows that are perfectly separated', () => {
    const scores = [-3, -2, -1, 1, 2, 3];
    const curve = fitCurve(
      scores,
      scores.map((score) => score > 0),
    );
    const head = { curve, basis: 'validation', rows: 6 } as const;
    expect(calibrated(head, 3)).toBeGreaterThan(0.7);
    expect(calibrated(head, 1000)).toBe(1 - 1 / 8);
    expect(calibrated(head, -1000)).toBe(1 / 8);
  });
});

describe('makeCalibration', () => {
  it('names itself by everything that decides a probability', () => {
    const heads = {
      compiled: { curve: { kind: 'platt', slope: 1, offset: 0 }, basis: 'none', rows: 9 },
      correct: null,
    } as const;
    const made = makeCalibration('model', heads);
    expect(made.id).toBe(calibrationId('model', heads));
    expect(made.id).not.toBe(calibrationId('other', heads));
    expect(made.id).not.toBe(calibrationId('model', { ...heads, compiled: { ...heads.compiled, rows: 10 } }));
  });
});

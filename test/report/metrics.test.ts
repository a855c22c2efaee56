import { describe, expect, it } from 'vitest';
import { lossesOf, lossMeter, reliabilityOf } from '../../src/report/losses.js';
import {
  accuracyOf,
  balancedAccuracyOf,
  confusionOf,
  f1Of,
  type Judged,
  kendallTauBOf,
  medianOf,
  precisionOf,
  quantileOf,
  recallOf,
  rocAucOf,
  rocCurveOf,
} from '../../src/report/metrics.js';

const of = (...pairs: [boolean, number][]): Judged[] => pairs.map(([truth, probability]) => ({ truth, probability }));

/** Three positives (two found), three negatives (one false alarm). */
const six = of([true, 0.9], [true, 0.6], [true, 0.2], [false, 0.6], [false, 0.3], [false, 0.1]);

describe('figures computed by hand', () => {
  it('counts the four kinds, one half saying yes', () => {
    expect(confusionOf(six)).toEqual({ truePositives: 2, falseNegatives: 1, falsePositives: 1, trueNegatives: 2 });
    expect(confusionOf(of([true, 0.5])).truePositives).toBe(1);
  });

  it('makes the shares from the counts', () => {
    const c = { truePositives: 6, falsePositives: 2, falseNegatives: 4, trueNegatives: 88 };
    expect(accuracyOf(c)).toBeCloseTo(0.94, 12);
    expect(precisionOf(c)).toBeCloseTo(0.75, 12);
    expect(recallOf(c)).toBeCloseTo(0.6, 12);
    expect(f1Of(c)).toBeCloseTo(2 / 3, 12);
    expect(balancedAccuracyOf(c)).toBeCloseTo((0.6 + 88 / 90) / 2, 12);
  });

  it('gives the area as the chance of the right order, a tie being half', () => {
    // Of nine pairs: 0.9 beats three; 0.6 beats two and ties one; 0.2 beats one.
    expect(rocAucOf(six)).toBeCloseTo(6.5 / 9, 12);
    expect(rocAucOf(of([true, 0.9], [false, 0.1]))).toBe(1);
    expect(rocAucOf(of([true, 0.1], [false, 0.9]))).toBe(0);
    expect(rocAucOf(of([true, 0.4], [false, 0.4]))).toBe(0.5);
  });

  it('draws the curve whose area that is', () => {
    const curve = rocCurveOf(six);
    expect(curve[0]).toEqual({ falsePositiveRate: 0, truePositiveRate: 0 });
    expect(curve.at(-1)).toEqual({ falsePositiveRate: 1, truePositiveRate: 1 });
    const area = curve.slice(1).reduce((sum, point, index) => {
      const before = curve[index] ?? point;
      const width = point.falsePositiveRate - before.falsePositiveRate;
      return sum + (width * (point.truePositiveRate + before.truePositiveRate)) / 2;
    }, 0);
    expect(area).toBeCloseTo(6.5 / 9, 12);
  });

  it('measures the probabilities', () => {
    expect(lossesOf(of([true, 0.8], [false, 0.4])).brier).toBeCloseTo((0.04 + 0.16) / 2, 12);
    expect(lossesOf(of([true, 0.8], [false, 0.4])).logLoss).toBeCloseTo(-(Math.log(0.8) + Math.log(0.6)) / 2, 12);
    expect(lossesOf(of([true, 0])).logLoss).toBeCloseTo(-Math.log(Number.EPSILON), 9);
  });

  it('bins promises and compares them with what came', () => {
    const promises = of([true, 0.95], [false, 1], [true, 0.91], [false, 0.05]);
    const bins = reliabilityOf(promises);
    expect(bins.map(({ n }) => n)).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
    expect(bins[9]?.predicted).toBeCloseTo((0.95 + 1 + 0.91) / 3, 12);
    expect(bins[9]?.observed).toBeCloseTo(2 / 3, 12);
    expect(bins[4]?.observed).toBeNull();
    const expected = (3 * (2.86 / 3 - 2 / 3) + 1 * 0.05) / 4;
    expect(lossesOf(promises).calibrationError).toBeCloseTo(expected, 12);
  });

  it('ranks with ties', () => {
    expect(kendallTauBOf([1, 2, 3], [10, 20, 30])).toBe(1);
    expect(kendallTauBOf([1, 2, 3], [30, 20, 10])).toBe(-1);
    // Six pairs: five concordant, one tied in x only.
    expect(kendallTauBOf([1, 1, 2, 3], [1, 2, 3, 4])).toBeCloseTo(5 / Math.sqrt(5 * 6), 12);
  });

  it('interpolates quantiles', () => {
    expect(medianOf([4, 1, 3, 2])).toBe(2.5);
    expect(quantileOf([1, 2, 3, 4, 5], 0.9)).toBeCloseTo(4.6, 12);
  });
});

describe('where there is nothing to measure', () => {
  it('says null, never NaN and never 0', () => {
    const onlyNegatives = of([false, 0.2], [false, 0.3]);
    const c = confusionOf(onlyNegatives);
    expect([precisionOf(c), recallOf(c), f1Of(c), balancedAccuracyOf(c), rocAucOf(onlyNegatives)]).toEqual(
      Array.from({ length: 5 }, () => null),
    );
    expect(rocCurveOf(onlyNegatives)).toEqual([]);
    expect([accuracyOf(confusionOf([])), medianOf([]), rocAucOf([])]).toEqual([null, null, null]);
    expect([kendallTauBOf([1], [1]), kendallTauBOf([1, 1], [1, 2])]).toEqual([null, null]);
    expect(lossesOf([])).toEqual({ brier: null, logLoss: null, calibrationError: null });
  });
});

describe('weights', () => {
  it('mean what repeating a row means', () => {
    const weights = [2, 0, 1, 3, 1, 0];
    const repeated = six.flatMap((one, index) => Array.from({ length: weights[index] ?? 0 }, () => one));
    expect(confusionOf(six, weights)).toEqual(confusionOf(repeated));
    expect(rocAucOf(six, weights)).toBeCloseTo(rocAucOf(repeated) ?? Number.NaN, 12);
    const [weighted, expected] = [lossMeter(six)(weights), lossesOf(repeated)];
    expect(weighted.brier).toBeCloseTo(expected.brier ?? Number.NaN, 12);
    expect(weighted.logLoss).toBeCloseTo(expected.logLoss ?? Number.NaN, 12);
    expect(weighted.calibrationError).toBeCloseTo(expected.calibrationError ?? Number.NaN, 12);
  });
});

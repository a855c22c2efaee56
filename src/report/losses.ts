import { type Judged, ratio, type Weights } from './metrics.js';

/** How far probabilities lie from what happened: 0 is perfect in each. */
export interface Losses {
  /** Mean squared distance: 0.25 is what one half everywhere gets. */
  readonly brier: number | null;
  /** Mean negative natural logarithm of the probability given to what happened; certainties are clipped at 2^-52. */
  readonly logLoss: number | null;
  /** Expected calibration error over ten bins of equal width (Naeini 2015). */
  readonly calibrationError: number | null;
}

export function lossesOf(judged: readonly Judged[]): Losses {
  return lossMeter(judged)();
}

/** `lossesOf` for many weightings of the same kernels. */
export function lossMeter(judged: readonly Judged[]): (weights?: Weights) => Losses {
  const squares = Float64Array.from(judged, ({ truth, probability }) => ((truth ? 1 : 0) - probability) ** 2);
  const logs = Float64Array.from(judged, ({ truth, probability }) => {
    const clipped = Math.min(1 - Number.EPSILON, Math.max(Number.EPSILON, probability));
    return -Math.log(truth ? clipped : 1 - clipped);
  });
  const bins = Uint8Array.from(judged, ({ probability }) => binOf(probability, binCount));
  /** What a promise was off, with its sign: bins sum it before they take its size. */
  const offs = Float64Array.from(judged, ({ truth, probability }) => probability - (truth ? 1 : 0));
  const off = new Float64Array(binCount);
  return (weights) => {
    off.fill(0);
    let [n, square, log] = [0, 0, 0];
    for (let row = 0; row < bins.length; row += 1) {
      const weight = weights === undefined ? 1 : (weights[row] ?? 0);
      n += weight;
      square += weight * (squares[row] ?? 0);
      log += weight * (logs[row] ?? 0);
      const bin = bins[row] ?? 0;
      off[bin] = (off[bin] ?? 0) + weight * (offs[row] ?? 0);
    }
    const calibration = off.reduce((sum, value) => sum + Math.abs(value), 0);
    return { brier: ratio(square, n), logLoss: ratio(log, n), calibrationError: ratio(calibration, n) };
  };
}

const binCount = 10;

export interface ReliabilityBin {
  readonly low: number;
  readonly high: number;
  readonly n: number;
  /** Mean probability of those in the bin, and the share of them that were true; null in an empty bin. */
  readonly predicted: number | null;
  readonly observed: number | null;
}

/** Bins of equal width; the last one includes 1. */
export function reliabilityOf(judged: readonly Judged[], bins = binCount): readonly ReliabilityBin[] {
  const sums = Array.from({ length: bins }, () => ({ n: 0, probability: 0, truths: 0 }));
  for (const { truth, probability } of judged) {
    const bin = sums[binOf(probability, bins)];
    if (bin === undefined) continue;
    bin.n += 1;
    bin.probability += probability;
    bin.truths += truth ? 1 : 0;
  }
  return sums.map((bin, index) => ({
    low: index / bins,
    high: (index + 1) / bins,
    n: bin.n,
    predicted: ratio(bin.probability, bin.n),
    observed: ratio(bin.truths, bin.n),
  }));
}

/** The last bin includes 1. */
function binOf(probability: number, bins: number): number {
  return Math.min(bins - 1, Math.floor(probability * bins));
}

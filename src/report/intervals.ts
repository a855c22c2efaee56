import { type Interval, wilson } from '../wilson.js';
import { quantileOf, type Weights } from './metrics.js';
import type { Estimate } from './report-schema.js';

export { type Interval, wilson };

/** A share with Wilson's interval; null of nothing. */
export function share(part: number, whole: number): Estimate | null {
  return whole === 0 ? null : estimate(part / whole, wilson(part, whole));
}

export function estimate(value: number | null, interval: Interval | null): Estimate | null {
  return value === null ? null : { value, low: interval?.low ?? null, high: interval?.high ?? null };
}

/**
 * A 95% percentile interval by resampling whole clusters (problems): kernels of one problem resemble each other, so
 * drawing them one by one would promise too much. `clusters[i]` names the cluster of row i; `statistic` gets how often
 * each row counts. Null with fewer than two clusters, or when most resamples leave nothing to measure.
 */
export function clusteredBootstrap(
  clusters: readonly string[],
  statistic: (weights: Weights) => number | null,
  options: { seed: number; resamples?: number },
): Interval | null {
  return clusteredBootstraps(clusters, (weights) => [statistic(weights)], options)[0] ?? null;
}

/** `clusteredBootstrap` of several statistics on the same resamples; empty with fewer than two clusters. */
export function clusteredBootstraps(
  clusters: readonly string[],
  statistics: (weights: Weights) => readonly (number | null)[],
  options: { seed: number; resamples?: number },
): readonly (Interval | null)[] {
  const numbers = new Map<string, number>();
  const clusterOf = Uint32Array.from(clusters, (name) => {
    const known = numbers.get(name) ?? numbers.size;
    numbers.set(name, known);
    return known;
  });
  if (numbers.size < 2) return [];
  const random = seededRandom(options.seed);
  const resamples = options.resamples ?? 1000;
  const drawn = new Uint32Array(numbers.size);
  const weights = new Float64Array(clusters.length);
  const values: number[][] = [];
  for (let round = 0; round < resamples; round += 1) {
    drawn.fill(0);
    for (let draw = 0; draw < drawn.length; draw += 1) {
      const chosen = Math.floor(random() * drawn.length);
      drawn[chosen] = (drawn[chosen] ?? 0) + 1;
    }
    for (let row = 0; row < weights.length; row += 1) weights[row] = drawn[clusterOf[row] ?? 0] ?? 0;
    statistics(weights).forEach((value, index) => {
      const kept = values[index] ?? [];
      if (value !== null) kept.push(value);
      values[index] = kept;
    });
  }
  return values.map((kept) => {
    const low = quantileOf(kept, 0.025);
    const high = quantileOf(kept, 0.975);
    return low === null || high === null || kept.length < resamples / 2 ? null : { low, high };
  });
}

/** Numbers in [0, 1) that are the same for the same seed on every machine (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

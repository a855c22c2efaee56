import { z } from 'zod';
import { KvalError } from '../errors.js';

/**
 * Regression trees as parallel arrays, one entry a split. A child that is not negative is another split; a negative one,
 * `-1 - n`, is leaf `n`. `missing` says where NaN goes: 0 counts it as zero, 1 goes left, 2 goes right.
 */
export const forestSchema = z.object({
  base: z.number(),
  roots: z.array(z.int()),
  feature: z.array(z.int().nonnegative()),
  threshold: z.array(z.number()),
  left: z.array(z.int()),
  right: z.array(z.int()),
  missing: z.array(z.int().min(0).max(2)),
  leaves: z.array(z.number()),
});

export interface Forest {
  readonly base: number;
  readonly roots: Int32Array;
  readonly feature: Int32Array;
  readonly threshold: Float64Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly missing: Uint8Array;
  readonly leaves: Float64Array;
}

/** Checks that every reference leads somewhere and that no walk can run in a circle, then packs the arrays. */
export function packForest(forest: z.infer<typeof forestSchema>, width: number, where: string): Forest {
  const splits = forest.feature.length;
  const { threshold, left, right, missing, leaves } = forest;
  const lengths = [threshold.length, left.length, right.length, missing.length];
  const leads = (child: number, parent: number): boolean =>
    child < 0 ? -1 - child < leaves.length : child < splits && child > parent;
  const sound =
    lengths.every((length) => length === splits) &&
    forest.feature.every((feature) => feature < width) &&
    left.every(leads) &&
    right.every(leads) &&
    forest.roots.every((root) => leads(root, -1));
  if (!sound) throw new KvalError('model-invalid', `the trees in ${where} are damaged`);
  return {
    base: forest.base,
    roots: Int32Array.from(forest.roots),
    feature: Int32Array.from(forest.feature),
    threshold: Float64Array.from(threshold),
    left: Int32Array.from(left),
    right: Int32Array.from(right),
    missing: Uint8Array.from(missing),
    leaves: Float64Array.from(leaves),
  };
}

export function scoreForest(forest: Forest, values: Float32Array): number {
  const { feature, threshold, left, right, missing, leaves } = forest;
  let sum = forest.base;
  for (const root of forest.roots) {
    let node = root;
    while (node >= 0) {
      let value = values[feature[node] ?? 0] ?? 0;
      const way = missing[node] ?? 0;
      if (Number.isNaN(value) && way === 0) value = 0;
      const goesLeft = Number.isNaN(value) ? way === 1 : value <= (threshold[node] ?? 0);
      node = (goesLeft ? left[node] : right[node]) ?? -1;
    }
    sum += leaves[-1 - node] ?? 0;
  }
  return sum;
}

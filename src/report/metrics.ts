/** One judged kernel: what was measured, and the probability that was given for it beforehand. */
export interface Judged {
  readonly truth: boolean;
  readonly probability: number;
}

/** How often each judged kernel counts; absent, each counts once. A bootstrap resample is nothing but such weights. */
export type Weights = ArrayLike<number>;

export interface Confusion {
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly falseNegatives: number;
  readonly trueNegatives: number;
}

/** A probability of one half or more says yes. */
export const threshold = 0.5;

export function confusionOf(judged: readonly Judged[], weights?: Weights): Confusion {
  return confusionCounter(judged)(weights);
}

/** `confusionOf` for many weightings of the same kernels. */
export function confusionCounter(judged: readonly Judged[]): (weights?: Weights) => Confusion {
  const kinds = Uint8Array.from(
    judged,
    ({ truth, probability }) => (truth ? 0 : 2) + (probability >= threshold ? 0 : 1),
  );
  const counts = new Float64Array(4);
  return (weights) => {
    counts.fill(0);
    for (let row = 0; row < kinds.length; row += 1) {
      const kind = kinds[row] ?? 0;
      counts[kind] = (counts[kind] ?? 0) + (weights === undefined ? 1 : (weights[row] ?? 0));
    }
    const [truePositives = 0, falseNegatives = 0, falsePositives = 0, trueNegatives = 0] = counts;
    return { truePositives, falsePositives, falseNegatives, trueNegatives };
  };
}

export const ratio = (part: number, whole: number): number | null => (whole > 0 ? part / whole : null);

export function totalOf(c: Confusion): number {
  return c.truePositives + c.falsePositives + c.falseNegatives + c.trueNegatives;
}

export function accuracyOf(c: Confusion): number | null {
  return ratio(c.truePositives + c.trueNegatives, totalOf(c));
}

/** Of those called positive, the share that is; null when none was called positive. */
export function precisionOf(c: Confusion): number | null {
  return ratio(c.truePositives, c.truePositives + c.falsePositives);
}

/** Of the positives, the share that was called so; null when there are none. */
export function recallOf(c: Confusion): number | null {
  return ratio(c.truePositives, c.truePositives + c.falseNegatives);
}

export function specificityOf(c: Confusion): number | null {
  return ratio(c.trueNegatives, c.trueNegatives + c.falsePositives);
}

export function f1Of(c: Confusion): number | null {
  return ratio(2 * c.truePositives, 2 * c.truePositives + c.falsePositives + c.falseNegatives);
}

/** Mean of recall and specificity: one half for whoever always says the same; null when one class is missing. */
export function balancedAccuracyOf(c: Confusion): number | null {
  const recall = recallOf(c);
  const specificity = specificityOf(c);
  return recall === null || specificity === null ? null : (recall + specificity) / 2;
}

/**
 * The area under the ROC curve: the chance that a positive was given a higher probability than a negative, a tie
 * counting one half (Mann-Whitney). Null when one class is missing.
 */
export function rocAucOf(judged: readonly Judged[], weights?: Weights): number | null {
  return rocAucMeter(judged)(weights);
}

/** `rocAucOf` for many weightings of the same kernels: sorts once. */
export function rocAucMeter(judged: readonly Judged[]): (weights?: Weights) => number | null {
  const order = Uint32Array.from(rank(judged));
  const truths = Uint8Array.from(order, (row) => (judged[row]?.truth ? 1 : 0));
  /** Whether a higher probability comes next, so that a run of ties ends here. */
  const ends = Uint8Array.from(order, (row, position) =>
    probabilityAt(judged, row) === probabilityAt(judged, order[position + 1]) ? 0 : 1,
  );
  return (weights) => {
    let below = 0;
    let concordant = 0;
    let positives = 0;
    let tiedPositives = 0;
    let tiedNegatives = 0;
    for (let position = 0; position < order.length; position += 1) {
      const weight = weights === undefined ? 1 : (weights[order[position] ?? 0] ?? 0);
      if (truths[position] === 1) tiedPositives += weight;
      else tiedNegatives += weight;
      if (ends[position] === 0) continue;
      concordant += tiedPositives * (below + tiedNegatives / 2);
      positives += tiedPositives;
      below += tiedNegatives;
      tiedPositives = 0;
      tiedNegatives = 0;
    }
    return positives > 0 && below > 0 ? concordant / (positives * below) : null;
  };
}

/** Rows from the lowest probability to the highest. */
function rank(judged: readonly Judged[]): readonly number[] {
  return judged.map((_, row) => row).sort((a, b) => probabilityAt(judged, a) - probabilityAt(judged, b));
}

export interface RocPoint {
  readonly falsePositiveRate: number;
  readonly truePositiveRate: number;
}

/** From (0, 0) to (1, 1), one point a distinct probability, those in the middle of a straight line left out. */
export function rocCurveOf(judged: readonly Judged[]): readonly RocPoint[] {
  const positives = judged.filter(({ truth }) => truth).length;
  const negatives = judged.length - positives;
  if (positives === 0 || negatives === 0) return [];
  const order = [...rank(judged)].reverse();
  const points: RocPoint[] = [{ falsePositiveRate: 0, truePositiveRate: 0 }];
  let hits = 0;
  let alarms = 0;
  order.forEach((index, position) => {
    if (judged[index]?.truth) hits += 1;
    else alarms += 1;
    const next = order[position + 1];
    if (next !== undefined && probabilityAt(judged, next) === probabilityAt(judged, index)) return;
    const point = { falsePositiveRate: alarms / negatives, truePositiveRate: hits / positives };
    const [before, last] = points.slice(-2);
    if (before !== undefined && last !== undefined && straight(before, last, point)) points.pop();
    points.push(point);
  });
  return points;
}

function straight(a: RocPoint, b: RocPoint, c: RocPoint): boolean {
  const cross =
    (b.falsePositiveRate - a.falsePositiveRate) * (c.truePositiveRate - a.truePositiveRate) -
    (b.truePositiveRate - a.truePositiveRate) * (c.falsePositiveRate - a.falsePositiveRate);
  return Math.abs(cross) < 1e-12;
}

/**
 * Kendall's tau-b of two equally long rows of numbers: 1 the same order, -1 the reverse, ties accounted for.
 * Null when either row is constant or shorter than two.
 */
export function kendallTauBOf(x: readonly number[], y: readonly number[]): number | null {
  let balance = 0;
  let untiedX = 0;
  let untiedY = 0;
  for (let i = 0; i < x.length; i += 1) {
    for (let j = i + 1; j < x.length; j += 1) {
      const dx = Math.sign((x[i] ?? 0) - (x[j] ?? 0));
      const dy = Math.sign((y[i] ?? 0) - (y[j] ?? 0));
      balance += dx * dy;
      untiedX += Math.abs(dx);
      untiedY += Math.abs(dy);
    }
  }
  return untiedX > 0 && untiedY > 0 ? balance / Math.sqrt(untiedX * untiedY) : null;
}

/** The quantile with linear interpolation between neighbours; null of nothing. */
export function quantileOf(values: readonly number[], q: number): number | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const position = (sorted.length - 1) * q;
  const low = sorted[Math.floor(position)] ?? 0;
  const high = sorted[Math.ceil(position)] ?? low;
  return low + (high - low) * (position - Math.floor(position));
}

export function medianOf(values: readonly number[]): number | null {
  return quantileOf(values, 0.5);
}

export function averageOf(values: readonly number[]): number | null {
  return ratio(
    values.reduce((sum, value) => sum + value, 0),
    values.length,
  );
}

function probabilityAt(judged: readonly Judged[], index: number | undefined): number {
  return judged[index ?? -1]?.probability ?? Number.NaN;
}

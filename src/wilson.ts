export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** The two-sided 95% quantile of the normal distribution. */
const z95 = 1.959963984540054;

/** Wilson's 95% interval of a share: keeps inside 0 and 1, and is honest for few. Null when there is nothing. */
export function wilson(successes: number, n: number): Interval | null {
  if (n <= 0) return null;
  const share = successes / n;
  const spread = z95 ** 2 / n;
  const centre = (share + spread / 2) / (1 + spread);
  const half = (z95 / (1 + spread)) * Math.sqrt((share * (1 - share)) / n + spread / (4 * n));
  return {
    low: successes === 0 ? 0 : Math.max(0, centre - half),
    high: successes === n ? 1 : Math.min(1, centre + half),
  };
}

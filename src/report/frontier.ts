/** One kernel: the probability that a simulator gave to "yes", and what is true. */
export interface FrontierRow {
  readonly p: number;
  readonly truth: boolean;
}

/** What a hybrid does that takes the simulator's answer from a confidence on, and asks the real validator else. */
export interface FrontierPoint {
  /** The least confidence, max(p, 1 - p), with which an answer is taken. */
  readonly threshold: number;
  /** Kernels that go to the real validator, as a share of all. */
  readonly realCalls: number;
  /** Final verdicts that differ from the real one, as a share of all: those of the real validator never do. */
  readonly disagreement: number;
  readonly taken: number;
  readonly wrong: number;
}

/** Share of real calls against disagreement, one point for each threshold, in their order; nothing of no rows. */
export function frontierOf(rows: readonly FrontierRow[], thresholds: readonly number[]): FrontierPoint[] {
  if (rows.length === 0) return [];
  const answers = rows
    .map(({ p, truth }) => ({ confidence: confidenceOf(p), wrong: p >= 0.5 !== truth }))
    .sort((a, b) => b.confidence - a.confidence);
  const wrongBefore = [0];
  for (const { wrong } of answers) wrongBefore.push((wrongBefore.at(-1) ?? 0) + Number(wrong));
  return thresholds.map((threshold) => {
    const taken = countAtLeast(answers, threshold);
    const wrong = wrongBefore[taken] ?? 0;
    return { threshold, realCalls: 1 - taken / rows.length, disagreement: wrong / rows.length, taken, wrong };
  });
}

/** Every threshold at which something changes, from the most confident answer to all of them. */
export function thresholdsOf(rows: readonly FrontierRow[]): number[] {
  return [...new Set(rows.map(({ p }) => confidenceOf(p)))].sort((a, b) => b - a);
}

/** The point with the fewest real calls among those that disagree at most so often; null where there is none. */
export function cheapest(points: readonly FrontierPoint[], most: number): FrontierPoint | null {
  let best: FrontierPoint | null = null;
  for (const point of points) {
    if (point.disagreement <= most && (best === null || point.realCalls < best.realCalls)) best = point;
  }
  return best;
}

function confidenceOf(p: number): number {
  return Math.max(p, 1 - p);
}

/** How many of the answers, sorted from the most confident on, are at least so confident. */
function countAtLeast(answers: readonly { readonly confidence: number }[], threshold: number): number {
  let [low, high] = [0, answers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((answers[middle]?.confidence ?? 0) >= threshold) low = middle + 1;
    else high = middle;
  }
  return low;
}

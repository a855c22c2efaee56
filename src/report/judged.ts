import type { ReportCase } from './input.js';
import type { Judged } from './metrics.js';

export type Target = 'compiled' | 'correct';

/** A kernel of which it is known whether it is `Target`. */
export interface Known {
  readonly one: ReportCase;
  readonly truth: boolean;
}

export interface Answered {
  readonly judged: readonly Judged[];
  /** The problem of each of them. */
  readonly problems: readonly string[];
}

/** What somebody says of the kernels; those of which nothing is said (null) are left out. */
export function judge(known: readonly Known[], say: (one: ReportCase) => number | null): Answered {
  const judged: Judged[] = [];
  const problems: string[] = [];
  for (const { one, truth } of known) {
    const probability = say(one);
    if (probability === null) continue;
    judged.push({ truth, probability });
    problems.push(one.problemId);
  }
  return { judged, problems };
}

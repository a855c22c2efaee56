/** What somebody says of one kernel; null is "not known", which is neither yes nor no. */
export interface AgentVerdict {
  readonly compiled: boolean | null;
  readonly correct: boolean | null;
  /** Reference time over kernel time. */
  readonly speedup: number | null;
}

/** A count out of `of`: `yes` for certain, and `unknown` more that may be so. */
export interface Counted {
  readonly yes: number;
  readonly unknown: number;
  readonly of: number;
}

/** How many verdicts say yes; a problem without a kernel has failed, as in KernelBench's `patch`. */
export function countWhere(
  verdicts: readonly AgentVerdict[],
  problems: number,
  says: (verdict: AgentVerdict) => boolean | null,
): Counted {
  const answers = verdicts.map(says);
  return {
    yes: answers.filter((answer) => answer === true).length,
    unknown: answers.filter((answer) => answer === null).length,
    of: problems,
  };
}

/**
 * KernelBench's fast_p (arXiv 2502.10517; `src/kernelbench/score.py`, `fastp`): kernels that are correct and whose
 * speed-up is strictly greater than p, over all problems. A kernel whose correctness or speed-up is not known is unknown.
 */
export function fastP(verdicts: readonly AgentVerdict[], problems: number, p: number): Counted {
  return countWhere(verdicts, problems, ({ correct, speedup }) => {
    if (correct !== true) return correct;
    return speedup === null ? null : speedup > p;
  });
}

/**
 * The geometric mean of the speed-ups of correct kernels, the slower ones too (KernelBench's
 * `geometric_mean_speed_ratio_correct_only`); by logarithms, so that it cannot overflow. Null where none was timed.
 */
export function geometricMean(verdicts: readonly AgentVerdict[]): { value: number; n: number } | null {
  const logs = verdicts.flatMap(({ correct, speedup }) =>
    correct === true && speedup !== null && speedup > 0 ? [Math.log(speedup)] : [],
  );
  if (logs.length === 0) return null;
  return { value: Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length), n: logs.length };
}

/**
 * The chance that one of k samples, drawn without replacement from n of which c are right, is right: the unbiased
 * estimator of Chen et al. (arXiv 2107.03374), as in KernelBench's `calc_pass_at_k`. Null for fewer than k samples.
 */
export function passAtK(n: number, c: number, k: number): number | null {
  if (n < k) return null;
  if (n - c < k) return 1;
  let allWrong = 1;
  for (let i = n - c + 1; i <= n; i += 1) allWrong *= 1 - k / i;
  return 1 - allWrong;
}

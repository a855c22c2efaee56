import { formatCount, formatMs, formatPercent } from '../../src/report/figures.js';
import { averageOf } from '../../src/report/metrics.js';
import type { Run } from './train.js';

export interface ArmSummary {
  readonly arm: string;
  readonly runs: number;
  /** Of the final agent's kernels, by real verdicts: mean over seeds, worst and best seed. */
  readonly correct: Spread;
  readonly compiled: Spread;
  /** Of one worker, mean over seeds: as if every kernel were new, and where a store answers what was asked before. */
  readonly stepMs: number;
  readonly totalMs: number;
  readonly storedTotalMs: number;
  readonly verdicts: number;
  readonly predicted: number;
  readonly builds: number;
  readonly executions: number;
  readonly driftedSteps: number;
}

export interface Spread {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

export function summarise(runs: readonly Run[]): ArmSummary[] {
  return [...new Set(runs.map(({ arm }) => arm))].map((arm) => {
    const own = runs.filter((run) => run.arm === arm);
    const mean = (value: (run: Run) => number): number => averageOf(own.map(value)) ?? 0;
    const sum = (run: Run, key: 'coldMs' | 'onceMs'): number => run.steps.reduce((total, step) => total + step[key], 0);
    return {
      arm,
      runs: own.length,
      correct: spreadOf(own.map(({ checkpoints }) => checkpoints.at(-1)?.correct ?? 0)),
      compiled: spreadOf(own.map(({ checkpoints }) => checkpoints.at(-1)?.compiled ?? 0)),
      stepMs: mean((run) => sum(run, 'coldMs') / run.steps.length),
      totalMs: mean((run) => sum(run, 'coldMs')),
      storedTotalMs: mean((run) => sum(run, 'onceMs')),
      verdicts: mean(({ verdicts }) => verdicts),
      predicted: mean(({ predicted }) => predicted),
      builds: mean(({ builds }) => builds),
      executions: mean(({ executions }) => executions),
      driftedSteps: mean(({ driftedSteps }) => driftedSteps),
    };
  });
}

export const columns = [
  'judge',
  'correct at the end, %',
  'compiled, %',
  'step',
  'all steps',
  'with a store',
  'builds',
  'executions',
  'predicted',
] as const;

export function rowsOf(summary: readonly ArmSummary[]): string[][] {
  return summary.map((one) => [
    one.arm,
    spread(one.correct),
    spread(one.compiled),
    formatMs(one.stepMs),
    formatMs(one.totalMs),
    formatMs(one.storedTotalMs),
    formatCount(Math.round(one.builds)),
    formatCount(Math.round(one.executions)),
    formatPercent(one.predicted / one.verdicts, '%'),
  ]);
}

function spreadOf(values: readonly number[]): Spread {
  return { mean: averageOf(values) ?? 0, low: Math.min(...values), high: Math.max(...values) };
}

function spread({ mean, low, high }: Spread): string {
  return `${formatPercent(mean)} (${formatPercent(low)} to ${formatPercent(high)})`;
}

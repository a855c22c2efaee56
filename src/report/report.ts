import { z } from 'zod';
import { KvalError } from '../errors.js';
import { outcomeStatuses } from '../verdict.js';
import { headlineOf } from './headline.js';
import { predictionOf, type ReportCase, type ReportInput, reportInputSchema } from './input.js';
import { averageOf, quantileOf } from './metrics.js';
import { scoreOutcomes } from './outcome-section.js';
import type { Duration, Report, TimeSection } from './report-schema.js';
import { scoreRuntimes } from './runtime-section.js';
import { scoreVerdicts } from './verdict-section.js';
import { worstErrors } from './worst.js';

export { type ReportCase, type ReportInput, reportInputSchema } from './input.js';
export { type Report, reportSchema } from './report-schema.js';

/**
 * Compares what simulators predicted with what was measured, on held-out kernels. The same input gives the same report;
 * what cannot be measured is said in words.
 *
 * @throws KvalError `bad-input` when the input contradicts itself or holds a number that is none.
 */
export function buildReport(unchecked: ReportInput): Report {
  const input = check(unchecked);
  const sections = {
    compiled: scoreVerdicts(input, 'compiled'),
    correct: scoreVerdicts(input, 'correct'),
    outcomes: scoreOutcomes(input),
    runtime: scoreRuntimes(input),
    time: compareTimes(input),
  };
  const counts = countCases(input);
  const { title, labels, split, simulators, generatedBy, notes } = input;
  return {
    format: 'kval-report',
    version: 1,
    title,
    headline: headlineOf({ labels, split, simulators, counts, ...sections }),
    labels,
    split,
    simulators,
    counts,
    ...sections,
    worst: worstErrors(input),
    generatedBy,
    notes,
  };
}

function check(unchecked: ReportInput): ReportInput {
  const parsed = reportInputSchema.safeParse(unchecked);
  if (!parsed.success) throw new KvalError('bad-input', `the report cannot be made: ${z.prettifyError(parsed.error)}`);
  const input = parsed.data;
  const known = new Set(input.simulators.map(({ id }) => id));
  if (known.size === 0) throw new KvalError('bad-input', 'the report cannot be made: it names no simulator');
  for (const one of input.cases) {
    const stranger = one.predictions.find(({ simulator }) => !known.has(simulator));
    if (stranger !== undefined) {
      throw new KvalError(
        'bad-input',
        `the report cannot be made: ${one.candidateHash} was judged by "${stranger.simulator}", which is none of its simulators`,
      );
    }
  }
  return input;
}

function countCases(input: ReportInput): Report['counts'] {
  const count = (of: (one: ReportCase) => boolean): number => input.cases.filter(of).length;
  const outcomes = [...outcomeStatuses, null].map((status) => ({
    status: status ?? 'not recorded',
    n: count((one) => one.truth.status === status),
  }));
  const fidelities = (['built', 'emulated', 'measured', 'published'] as const).map((fidelity) => ({
    fidelity,
    n: count((one) => one.truth.fidelity === fidelity),
  }));
  return {
    kernels: input.cases.length,
    problems: new Set(input.cases.map(({ problemId }) => problemId)).size,
    generators: new Set(input.cases.map(({ generator }) => generator)).size,
    executed: count((one) => one.truth.correct !== null && one.truth.compiled !== false),
    timed: count((one) => one.truth.runtimeMs !== null),
    outcomes: outcomes.filter(({ n }) => n > 0),
    fidelities: fidelities.filter(({ n }) => n > 0),
  };
}

/** What a verdict takes, from the real validator and from each simulator. */
function compareTimes(input: ReportInput): TimeSection {
  const real = durationOf(input.cases.flatMap(({ truth }) => (truth.durationMs === null ? [] : [truth.durationMs])));
  return {
    real,
    reason: real === null ? 'The labels do not say how long the real validator took.' : null,
    simulators: input.simulators.map(({ id }) => {
      const duration = durationOf(input.cases.flatMap((one) => predictionOf(one, id)?.durationMs ?? []));
      const comparable = real !== null && duration !== null && duration.medianMs > 0;
      return { id, duration, timesFaster: comparable ? real.medianMs / duration.medianMs : null };
    }),
  };
}

function durationOf(durations: readonly number[]): Duration | null {
  const medianMs = quantileOf(durations, 0.5);
  const p90Ms = quantileOf(durations, 0.9);
  const mean = averageOf(durations);
  if (medianMs === null || p90Ms === null || mean === null) return null;
  return { n: durations.length, medianMs, p90Ms, totalMs: mean * durations.length };
}

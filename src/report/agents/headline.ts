import { officialSet } from '../../problem.js';
import { formatCounted, formatFactor } from '../figures.js';
import type { AgentReport, AgentScore } from './agent-report.js';
import type { Counted } from './score.js';

/** `KernelBench level 1`. */
export function levelName({ set, level }: { readonly set: string; readonly level: number }): string {
  return `${set === officialSet ? 'KernelBench' : set} level ${level}`;
}

/** What was scored and by whom, then the best run of each level by the first judge who can tell. */
export function headlineOf({ runs, judges, levels }: Pick<AgentReport, 'runs' | 'judges' | 'levels'>): string[] {
  const kernels = runs.reduce((sum, run) => sum + run.kernels, 0);
  if (kernels === 0) return ['The runs hold no kernel, so there is nothing to score.'];
  const by = judges.map(({ id, about }) => (about.includes(id) ? about : `"${id}", ${about}`));
  const lead = `${formatCounted(runs.length, 'run')} with ${formatCounted(kernels, 'kernel')}, scored by KernelBench's definitions.`;
  if (judges.length === 0) {
    return [
      lead,
      'Nobody says anything of them: label them, name a simulator with --model, or bring published results in.',
    ];
  }
  return [
    lead,
    `Verdicts: ${by.join('; ')}.`,
    ...levels.flatMap((level) => {
      const best = mostCorrect(level, judges);
      return best === null ? [] : [`${levelName(level)}: ${sentence(best, level.scores.length > 1)}`];
    }),
  ];
}

/** The run that solves most problems of a level, by the first judge who can tell. */
export function mostCorrect(
  { scores }: Pick<AgentReport['levels'][number], 'scores'>,
  judges: AgentReport['judges'],
): (AgentScore & { correct: Counted }) | null {
  for (const { id } of judges) {
    const told = scores.flatMap((score) =>
      score.judge === id && score.correct !== null ? [{ ...score, correct: score.correct }] : [],
    );
    const [best] = told.sort((a, b) => b.correct.yes - a.correct.yes);
    if (best !== undefined) return best;
  }
  return null;
}

function sentence(score: AgentScore & { correct: Counted }, several: boolean): string {
  const { run, judge, correct, success, timed, geometricMean } = score;
  const start = `${several ? 'most correct is ' : ''}${run}, ${outOf(correct)} problems (${judge})`;
  const first = success[0];
  if (timed === 0 || first === undefined || geometricMean === null) return `${start}; how fast they are is not known.`;
  return `${start}; ${outOf(first.count)} faster than the reference, speed-up ${formatFactor(geometricMean.value)}x in the geometric mean of ${formatCounted(geometricMean.n, 'correct kernel')}.`;
}

/** `37 of 100`, or bounds where not all is known: `37 to 49 of 100`. */
export function outOf({ yes, unknown, of }: Counted): string {
  return `${unknown === 0 ? yes : `${yes} to ${yes + unknown}`} of ${of}`;
}

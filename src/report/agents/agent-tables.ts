import { formatCount, formatFactor, formatPercent, formatShare, none } from '../figures.js';
import { share } from '../intervals.js';
import { number, type Row, type Table, text } from '../tables.js';
import { type AgentReport, type AgentScore, successAt } from './agent-report.js';
import { levelName } from './headline.js';
import type { Counted } from './score.js';

/** What must be known to read the tables. */
export const readingNotes = [
  'Shares are of all problems of the level: one without a kernel has failed, as in KernelBench. fast p: correct and more than p times as fast as the reference. Speed-up: the geometric mean over correct kernels, and how many were timed. In brackets behind shares: 95% intervals (Wilson).',
  'Two figures without brackets are bounds: so many for certain, and so many if every kernel of which it is not known were so. What nobody knows is -, never 0.',
];

type Level = AgentReport['levels'][number];

/** A level's runs, each by each judge. */
export function levelTable(report: AgentReport, level: Level): Table {
  const rows = level.scores.map((score, index): Row => {
    const sameRun = level.scores[index - 1]?.run === score.run;
    const { judge, kernels, compiled, correct, success } = score;
    return {
      kind: report.judges.find(({ id }) => id === judge)?.kind === 'simulated' ? 'baseline' : 'simulator',
      cells: [
        sameRun ? '' : score.run,
        judge,
        formatCount(kernels),
        ...[compiled, correct].map(countCell),
        ...success.map(({ count }) => successCell(score, count)),
        meanCell(score),
      ],
    };
  });
  return {
    title: `${levelName(level)}: success`,
    columns: [
      text('run'),
      text('verdicts'),
      number('kernels'),
      number('compiled %'),
      number('correct %'),
      ...successAt.map((p) => number(`fast ${p.toFixed(1)} %`)),
      number('speed-up'),
    ],
    rows,
    notes:
      level.withBaseline === level.problems
        ? []
        : [`Speed-ups are counted over the ${formatCount(level.withBaseline)} problems that the baseline holds.`],
  };
}

/** Where problems have several samples; null where none has. */
export function passTable(level: Level): Table | null {
  const rates = level.scores.filter(({ passAtK }) => passAtK.length > 0);
  const steps = [...new Set(rates.flatMap(({ passAtK }) => passAtK.map(({ k }) => k)))].sort((a, b) => a - b);
  if (steps.length === 0) return null;
  return {
    title: `${levelName(level)}: pass@k`,
    columns: [text('run'), text('verdicts'), ...steps.map((k) => number(`pass@${k} %`))],
    rows: rates.map(({ run, judge, passAtK }, index) => ({
      kind: 'plain',
      cells: [
        rates[index - 1]?.run === run ? '' : run,
        judge,
        ...steps.map((k) => {
          const rate = passAtK.find((one) => one.k === k);
          return rate === undefined ? none : `${formatPercent(rate.value)} (${formatCount(rate.problems)} problems)`;
        }),
      ],
    })),
    notes: [
      'The unbiased estimate, averaged over the problems with at least k judged samples; everything else looks at the first sample (number 0) alone, as KernelBench does.',
    ],
  };
}

function countCell(count: Counted | null): string {
  if (count === null) return none;
  const { yes, unknown, of } = count;
  if (unknown === 0) return formatShare(share(yes, of));
  return `${formatPercent(yes / of)} to ${formatPercent((yes + unknown) / of)}`;
}

/** A success of correct kernels that nobody timed is missing, not zero. */
function successCell({ timed }: AgentScore, count: Counted): string {
  return timed === 0 && count.unknown > 0 ? none : countCell(count);
}

function meanCell({ geometricMean }: AgentScore): string {
  return geometricMean === null ? none : `${formatFactor(geometricMean.value)}x (${formatCount(geometricMean.n)})`;
}

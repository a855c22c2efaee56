import { predictedOutcomes } from '../verdict.js';
import { formatCount, formatGain, formatNumber, formatPercent, formatScore, formatShare, none } from './figures.js';
import { share } from './intervals.js';
import { paper, paperCaveat } from './paper.js';
import { type Dimension, dimensions, type OutcomeSection, type Report, type VerdictSection } from './report-schema.js';
import { fewKernels } from './verdict-section.js';

/** A table before it has a look: every renderer draws the same ones. */
export interface Table {
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  /** What a reader must know to read it. */
  readonly notes: readonly string[];
}

export interface Column {
  readonly name: string;
  readonly numeric: boolean;
}

export interface Row {
  readonly kind: 'simulator' | 'baseline' | 'reference' | 'plain';
  readonly cells: readonly string[];
}

export const text = (name: string): Column => ({ name, numeric: false });
export const number = (name: string): Column => ({ name, numeric: true });

export const questions = {
  compiled: 'Does it compile?',
  correct: 'Is it correct?',
  runtime: 'How fast is it?',
} as const;

/** The paper's form: accuracy, precision, recall, F1, with "yes" as the positive answer. */
export function verdictTable(section: VerdictSection): Table {
  const rows = section.rows.map(({ kind, name, n, scores, reason }): Row => {
    if (scores === null) return { kind, cells: [name, none, reason ?? none, none, none, none] };
    const { accuracy, precision, recall, f1 } = scores;
    return { kind, cells: [name, formatCount(n), ...[accuracy, precision, recall, f1].map(formatShare)] };
  });
  const published = paper[section.target];
  const figures = [published.accuracy, published.precision, published.recall, published.f1];
  rows.push({ kind: 'reference', cells: [paper.name, none, ...figures.map((figure) => (figure * 100).toFixed(2))] });
  return {
    title: `${questions[section.target]} The verdicts`,
    columns: [
      text('who'),
      number('kernels'),
      number('accuracy %'),
      number('precision %'),
      number('recall %'),
      number('F1 %'),
    ],
    rows,
    notes: [
      `"${section.target}" is the positive answer. In brackets 95% intervals: Wilson's for accuracy, precision and recall; for F1 from resampling problems.`,
      ...section.notes,
      paperCaveat,
    ],
  };
}

/** What the paper leaves out: figures that do not reward guessing, and whether the probabilities can be believed. */
export function qualityTable(section: VerdictSection): Table {
  const rows = section.rows.flatMap(({ kind, name, scores }): Row[] => {
    if (scores === null) return [];
    const { balancedAccuracy, auc, overMajority, brier, expectedCalibrationError, logLoss } = scores;
    const probabilities = [brier, expectedCalibrationError, logLoss].map(formatScore);
    return [
      {
        kind,
        cells: [name, formatShare(balancedAccuracy), formatScore(auc), formatGain(overMajority), ...probabilities],
      },
    ];
  });
  return {
    title: `${questions[section.target]} Beyond accuracy`,
    columns: [
      text('who'),
      number('balanced accuracy %'),
      number('ROC AUC'),
      number('over majority, points'),
      number('Brier'),
      number('calibration error'),
      number('log loss'),
    ],
    rows,
    notes: [
      'Balanced accuracy 50 and AUC 0.5 are what guessing gets. Brier, calibration error and log loss: less is better. In brackets 95% intervals from resampling problems.',
    ],
  };
}

export function confusionRows(
  section: VerdictSection,
): { name: string; n: number; cells: [number, number, number, number] }[] {
  return section.rows.flatMap(({ kind, name, n, scores }) => {
    if (kind === 'baseline' || scores === null) return [];
    const { truePositives, falseNegatives, falsePositives, trueNegatives } = scores.confusion;
    return [{ name, n, cells: [truePositives, falseNegatives, falsePositives, trueNegatives] }];
  });
}

export function confusionTable(section: VerdictSection): Table {
  const [yes, no] = [section.target, `not ${section.target}`];
  return {
    title: `${questions[section.target]} Confusion`,
    columns: [
      text('who'),
      number(`${yes}, told so`),
      number(`${yes}, told ${no}`),
      number(`${no}, told ${yes}`),
      number(`${no}, told so`),
    ],
    rows: confusionRows(section).map(({ name, cells }) => ({
      kind: 'simulator',
      cells: [name, ...cells.map(formatCount)],
    })),
    notes: [],
  };
}

/** Which of five outcomes was told, by what happened; one table a simulator that tells them apart. */
export function outcomesTable({ simulator, n, accuracy, rows }: OutcomeSection): Table {
  return {
    title: `Which outcome? ${simulator}`,
    columns: [text('really'), ...predictedOutcomes.map((name) => number(`told ${name}`)), number('right %')],
    rows: rows.map(({ truth, told }) => {
      const right = share(
        told[predictedOutcomes.indexOf(truth)] ?? 0,
        told.reduce((sum, one) => sum + one, 0),
      );
      return { kind: 'plain', cells: [truth, ...told.map(formatCount), formatShare(right)] };
    }),
    notes: [
      `The likeliest of the five is what happened in ${formatShare(accuracy)} % of ${formatCount(n)} kernels. A load error counts as a compile error, a cheat as a mismatch.`,
    ],
  };
}

const dimensionNames: Record<Dimension, string> = {
  level: 'level',
  family: 'family of problem',
  generator: 'generator',
  mutation: 'mutation operator',
  length: 'length of source',
};

/** What must be known to read the tables of parts. */
export const groupNote =
  'The same for parts of the kernels. prior: accuracy of the problem prior; prec.: precision; bal.: balanced accuracy.';

/** A table for each way to divide the kernels that divides them at all. */
export function groupTables(section: VerdictSection): Table[] {
  return dimensions
    .filter((dimension) => section.groups[dimension].length > 1)
    .map((dimension) => groupTable(section, dimension));
}

function groupTable(section: VerdictSection, dimension: Dimension): Table {
  const groups = section.groups[dimension];
  const several = groups.some(({ rows }) => rows.length > 1);
  const rows = groups.flatMap(({ name, n, problems, positives, priorAccuracy, rows: scores }): Row[] =>
    scores.map((score, index) => ({
      kind: 'plain',
      cells: [
        index === 0 ? `${name}${n < fewKernels ? ' *' : ''}` : '',
        ...(index === 0
          ? [...[n, problems].map(formatCount), ...[positives / n, priorAccuracy].map((value) => formatPercent(value))]
          : ['', '', '', '']),
        ...(several ? [score.simulator] : []),
        formatShare(score.accuracy),
        ...[score.precision, score.recall, score.f1, score.balancedAccuracy].map((value) => formatPercent(value)),
        ...[score.auc, score.brier].map((value) => formatNumber(value)),
      ],
    })),
  );
  return {
    title: `${questions[section.target]} By ${dimensionNames[dimension]}`,
    columns: [
      text(dimensionNames[dimension]),
      number('kernels'),
      number('problems'),
      number(`${section.target} %`),
      number('prior %'),
      ...(several ? [text('simulator')] : []),
      number('accuracy %'),
      number('prec. %'),
      number('recall %'),
      number('F1 %'),
      number('bal. %'),
      number('AUC'),
      number('Brier'),
    ],
    rows,
    notes: groups.some(({ n }) => n < fewKernels) ? [`* fewer than ${fewKernels} kernels: too few to rank by.`] : [],
  };
}

/** What a hybrid would have to pay for so many wrong verdicts. */
export function operatingTable(section: VerdictSection): Table {
  const rows = section.rows
    .filter(({ kind }) => kind === 'simulator')
    .flatMap(({ name, n, operating }) =>
      operating.map(({ wrongAtMost, point }, index): Row => {
        const at = [index === 0 ? name : '', formatPercent(wrongAtMost, '%')];
        if (point === null) return { kind: 'plain', cells: [...at, none, '100.0', none, none] };
        const { threshold, realCalls, taken, wrong } = point;
        return {
          kind: 'plain',
          cells: [
            ...at,
            threshold.toFixed(3),
            formatPercent(realCalls),
            `${formatCount(wrong)} of ${formatCount(taken)}`,
            formatShare(share(wrong, n)),
          ],
        };
      }),
    );
  return {
    title: `${questions[section.target]} With a hybrid`,
    columns: [
      text('simulator'),
      number('wrong at most'),
      number('confidence at least'),
      number('real calls %'),
      number('wrong of those taken'),
      number('wrong of all %'),
    ],
    rows,
    notes: [
      'Answers below the confidence go to the real validator. The thresholds were found on these very kernels, so they promise a little too much: choose yours on other kernels than you judge it by.',
    ],
  };
}

export function outcomeTable({ counts }: Report): Table {
  return {
    title: 'What really happened',
    columns: [text('outcome'), number('kernels'), number('%')],
    rows: counts.outcomes.map(({ status, n }) => ({
      kind: 'plain',
      cells: [status, formatCount(n), formatPercent(n / counts.kernels)],
    })),
    notes: [],
  };
}

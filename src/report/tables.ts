import {
  formatCount,
  formatFactor,
  formatGain,
  formatMilliseconds,
  formatMs,
  formatNumber,
  formatPercent,
  formatScore,
  formatShare,
  none,
} from './figures.js';
import type { Dimension, Report, RuntimeSection, VerdictSection } from './report-schema.js';
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

const text = (name: string): Column => ({ name, numeric: false });
const number = (name: string): Column => ({ name, numeric: true });

export const questions = {
  compiled: 'Does it compile?',
  correct: 'Is it correct?',
  runtime: 'How fast is it?',
} as const;

/** GTM fine-tuned on its authors' CUDA validator: Table 4 of arXiv 2512.04535. */
export const paper = {
  name: 'GTM, as published',
  compiled: { accuracy: 0.9065, precision: 0.9365, recall: 0.8728, f1: 0.9035 },
  correct: { accuracy: 0.9602, precision: 0.9464, recall: 0.7114, f1: 0.8123 },
  runtime: { presence: 0.9945, n: 298, meanMs: 7.04, medianMs: 0.1 },
} as const;

export const paperCaveat =
  '"GTM, as published" is Table 4 of arXiv 2512.04535 on its own data. It names neither its split nor its version of the problem sizes, so the row is a landmark, not a rival.';

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
    const probabilities = [brier, expectedCalibrationError, logLoss].map((value) => formatNumber(value));
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

const dimensionNames: Record<Dimension, string> = {
  level: 'level',
  family: 'family of problem',
  generator: 'generator',
  length: 'length of source',
};

export function groupTable(section: VerdictSection, dimension: Dimension): Table {
  const groups = section.groups[dimension];
  const several = groups.some(({ rows }) => rows.length > 1);
  const rows = groups.flatMap(({ name, n, problems, positives, rows: scores }): Row[] =>
    scores.map((score, index) => ({
      kind: 'plain',
      cells: [
        index === 0 ? `${name}${n < fewKernels ? ' *' : ''}` : '',
        ...(index === 0 ? [formatCount(n), formatCount(problems), formatPercent(positives / n)] : ['', '', '']),
        ...(several ? [score.simulator] : []),
        formatShare(score.accuracy),
        formatPercent(score.f1),
        formatPercent(score.balancedAccuracy),
        formatNumber(score.auc),
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
      ...(several ? [text('simulator')] : []),
      number('accuracy %'),
      number('F1 %'),
      number('balanced %'),
      number('AUC'),
    ],
    rows,
    notes: groups.some(({ n }) => n < fewKernels) ? [`* fewer than ${fewKernels} kernels: too few to rank by.`] : [],
  };
}

export function runtimeTable(section: RuntimeSection): Table {
  const rows = section.rows.map((row): Row => {
    if (row.n === 0)
      return { kind: row.kind, cells: [row.name, none, row.reason ?? none, none, none, none, none, none] };
    const tau = row.kendallTau;
    const inMs = (estimate: typeof row.meanAbsoluteErrorMs): string => {
      if (estimate === null) return none;
      const { value, low, high } = estimate;
      const written = formatMilliseconds(value);
      return low === null ? written : `${written} (${formatMilliseconds(low)} to ${formatMilliseconds(high)})`;
    };
    return {
      kind: row.kind,
      cells: [
        row.name,
        formatCount(row.n),
        inMs(row.medianAbsoluteErrorMs),
        inMs(row.meanAbsoluteErrorMs),
        formatShare(row.medianAbsolutePercentageError),
        formatShare(row.withinTwofold),
        tau === null ? none : `${formatNumber(tau.value, 2)} (${formatCount(tau.problems)} problems)`,
        formatShare(row.intervalCoverage),
      ],
    };
  });
  const { n, meanMs, medianMs } = paper.runtime;
  rows.push({
    kind: 'reference',
    cells: [paper.name, String(n), medianMs.toFixed(2), meanMs.toFixed(2), none, none, none, none],
  });
  return {
    title: `${questions.runtime} Runtimes`,
    columns: [
      text('who'),
      number('timed kernels'),
      number('median error, ms'),
      number('mean error, ms'),
      number('median error, %'),
      number('within 2x, %'),
      number('Kendall tau'),
      number('inside 80% interval, %'),
    ],
    rows,
    notes: [
      'Errors are absolute. Kendall tau (tau-b) asks whether kernels of one problem are put in the right order: 1 always, 0 as by chance.',
      ...section.notes,
      `${paperCaveat} An error in milliseconds means nothing without the problem sizes: 0.10 ms is about 2% of a median runtime at today's KernelBench sizes, and about 100% at its first ones.`,
    ],
  };
}

export function presenceTable(section: RuntimeSection): Table {
  const rows = section.presence.map(
    ({ name, n, accuracy }): Row => ({
      kind: 'simulator',
      cells: [name, formatCount(n), formatShare(accuracy)],
    }),
  );
  rows.push({ kind: 'reference', cells: [paper.name, none, (paper.runtime.presence * 100).toFixed(2)] });
  return {
    title: 'Is there a runtime at all?',
    columns: [text('who'), number('kernels'), number('accuracy %')],
    rows,
    notes: ['A kernel has a runtime if it was correct and timed; the simulator says so by calling it correct.'],
  };
}

export function timeTable({ time, generatedBy }: Report): Table {
  const row = (kind: Row['kind'], name: string, duration: typeof time.real, faster: string): Row => ({
    kind,
    cells:
      duration === null
        ? [name, none, none, none, none, none]
        : [
            name,
            formatCount(duration.n),
            ...[duration.medianMs, duration.p90Ms, duration.totalMs].map(formatMs),
            faster,
          ],
  });
  return {
    title: 'What a verdict takes',
    columns: [
      text('who'),
      number('verdicts'),
      number('median'),
      number('90%'),
      number('all together'),
      number('times faster'),
    ],
    rows: [
      ...time.simulators.map(({ id, duration, timesFaster }) =>
        row('simulator', id, duration, formatFactor(timesFaster)),
      ),
      row('baseline', 'real validator', time.real, time.real === null ? none : '1'),
    ],
    notes: [
      `Simulators timed on: ${describeMachine(generatedBy.machine)}. The real validator's times are those stored with the labels. Compared by their medians.`,
      ...(time.reason === null ? [] : [time.reason]),
    ],
  };
}

export function describeMachine({ cpu, cores, memoryGib, gpu }: Report['generatedBy']['machine']): string {
  const parts = [
    cpu,
    `${cores} ${cores === 1 ? 'core' : 'cores'}`,
    `${formatNumber(memoryGib, memoryGib < 10 ? 1 : 0)} GiB`,
  ];
  return [...parts, gpu ?? 'no GPU'].join(', ');
}

export function escalationTable(report: Report): Table {
  const several = report.escalation.length > 1;
  return {
    title: 'If only confident answers are taken',
    columns: [
      ...(several ? [text('simulator')] : []),
      number('confidence at least'),
      number('answered %'),
      number('kernels'),
      number('compiled: accuracy %'),
      number('correct: accuracy %'),
    ],
    rows: report.escalation.flatMap(({ simulator, rows }) =>
      rows.map(
        (row, index): Row => ({
          kind: 'plain',
          cells: [
            ...(several ? [index === 0 ? simulator : ''] : []),
            row.confidence.toFixed(2),
            formatPercent(row.answered),
            formatCount(row.n),
            report.compiled.unmeasurable === null ? formatShare(row.compiled) : none,
            report.correct.unmeasurable === null ? formatShare(row.correct) : none,
          ],
        }),
      ),
    ),
    notes: ['The rest goes to the real validator: this is what a hybrid with that threshold would answer by itself.'],
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

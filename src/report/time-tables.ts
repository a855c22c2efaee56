import { describeMachine } from './environment.js';
import { formatCount, formatFactor, formatMilliseconds, formatMs, formatNumber, formatShare, none } from './figures.js';
import { paper, paperCaveat } from './paper.js';
import type { Report, RuntimeSection } from './report-schema.js';
import { number, questions, type Row, type Table, text } from './tables.js';

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

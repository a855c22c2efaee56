import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import { formatCount, formatNumber, formatPercent } from './figures.js';
import type { Estimate, Report, VerdictRow } from './report-schema.js';
import { axisBottom, axisLeft, type Box, label, mark, px, svg, type Tick } from './svg.js';

/** A simulator keeps its number, and so its colour and mark, through all plots. */
export type Numbered<Row> = Row & { readonly series: number };

export const square: Box = { width: 360, height: 320, left: 52, right: 342, top: 12, bottom: 272 };

/** Is 80% sure right 80% of the time? Dots on the diagonal mean yes; the bars below count the kernels. */
export function reliabilityPlot(rows: readonly Numbered<VerdictRow>[], target: string): string {
  const box: Box = { ...square, height: 396 };
  const x = scaleLinear([0, 1], [box.left, box.right]);
  const y = scaleLinear([0, 1], [box.bottom, box.top]);
  const most = Math.max(1, ...rows.flatMap(({ reliability }) => reliability.map(({ n }) => n)));
  const counts = { top: 286, bottom: 346 };
  const bar = scaleLinear([0, most], [0, counts.bottom - counts.top - 12]);
  const curves = rows.map(({ name, reliability, series }) => {
    const bins = reliability.flatMap((bin) => {
      const { predicted, observed } = bin;
      return predicted === null || observed === null ? [] : [{ ...bin, predicted, observed }];
    });
    const path = line<(typeof bins)[number]>(
      (bin) => x(bin.predicted),
      (bin) => y(bin.observed),
    ).digits(1)(bins);
    const marks = bins.map((bin) => {
      const promise = `${name}: said ${formatPercent(bin.predicted, '%')}, was ${formatPercent(bin.observed, '%')} of ${formatCount(bin.n)}`;
      return mark(x(bin.predicted), y(bin.observed), series, bin.n < 5 ? 22 : 52, promise);
    });
    return `<path class="curve s${series % 6}" d="${path ?? ''}"/>${marks.join('')}`;
  });
  const bars = rows.flatMap(({ reliability, series }, position) =>
    reliability.map(({ low, high, n }) => {
      const slot = (x(high) - x(low) - 4) / rows.length;
      const left = x(low) + 2 + position * slot;
      const height = n === 0 ? 0 : Math.max(1, bar(n));
      const count =
        rows.length === 1 && n > 0
          ? label(left + slot / 2, counts.bottom - height - 3, brief(n), 'middle', 'tiny')
          : '';
      return `<rect class="bar s${series % 6}" x="${px(left)}" y="${px(counts.bottom - height)}" width="${px(slot)}" height="${px(height)}"><title>${formatCount(n)} kernels</title></rect>${count}`;
    }),
  );
  const said = rows
    .map(({ name, scores }) => `${name} ${formatNumber(scores?.expectedCalibrationError?.value)}`)
    .join(', ');
  return svg(box, `Reliability of the probability of ${target}. Expected calibration error: ${said}.`, [
    axisLeft(box, percentTicks(y), `really ${target}, %`),
    axisBottom(box, percentTicks(x, false), ''),
    `<line class="ideal" x1="${px(x(0))}" y1="${px(y(0))}" x2="${px(x(1))}" y2="${px(y(1))}"/>`,
    ...curves,
    ...bars,
    axisBottom(
      { ...box, bottom: counts.bottom, top: counts.top },
      percentTicks(x),
      `predicted probability of ${target}, %`,
      false,
    ),
    label(box.left - 7, counts.bottom - 18, 'count', 'end'),
  ]);
}

export function rocPlot(rows: readonly Numbered<VerdictRow>[], target: string): string {
  const x = scaleLinear([0, 1], [square.left, square.right]);
  const y = scaleLinear([0, 1], [square.bottom, square.top]);
  const curves = rows.map(({ roc, series }) => {
    const path = line<(typeof roc)[number]>(
      (point) => x(point.falsePositiveRate),
      (point) => y(point.truePositiveRate),
    ).digits(1);
    const marked = roc[Math.floor(roc.length / 2)];
    const middle = marked === undefined ? '' : mark(x(marked.falsePositiveRate), y(marked.truePositiveRate), series);
    return `<path class="curve s${series % 6}" d="${path(roc) ?? ''}"/>${rows.length > 1 ? middle : ''}`;
  });
  const said = rows.map(({ name, scores }) => `${name} ${formatNumber(scores?.auc?.value)}`).join(', ');
  return svg(square, `ROC curve for ${target}. Area under the curve: ${said}.`, [
    axisLeft(square, percentTicks(y), `found among the ${target}, %`),
    axisBottom(square, percentTicks(x), `false alarms among the not ${target}, %`),
    `<line class="ideal" x1="${px(x(0))}" y1="${px(y(0))}" x2="${px(x(1))}" y2="${px(y(1))}"/>`,
    ...curves,
  ]);
}

/** What a hybrid pays and what it gets: real calls from none to all, against final verdicts that are wrong. */
export function frontierPlot(rows: readonly Numbered<VerdictRow>[], target: string): string {
  const most = Math.max(0.02, ...rows.flatMap(({ frontier }) => frontier.map(({ disagreement }) => disagreement)));
  const x = scaleLinear([0, 1], [square.left, square.right]);
  const y = scaleLinear([0, most * 1.08], [square.bottom, square.top]);
  const curves = rows.map(({ name, frontier, series }) => {
    const points = [{ realCalls: 1, disagreement: 0 }, ...frontier];
    const path = line<(typeof points)[number]>(
      (point) => x(point.realCalls),
      (point) => y(point.disagreement),
    ).digits(1)(points);
    const end = frontier.at(-1);
    const tooltip = end === undefined ? '' : `${name} alone: ${formatPercent(end.disagreement, '%')} wrong`;
    return `<path class="curve s${series % 6}" d="${path ?? ''}"/>${end === undefined ? '' : mark(x(end.realCalls), y(end.disagreement), series, 52, tooltip)}`;
  });
  const said = rows.map(({ name, operating }) => {
    const at = operating.find(({ wrongAtMost }) => wrongAtMost === 0.02)?.point;
    return `${name} ${formatPercent(at?.realCalls ?? 1, '%')}`;
  });
  return svg(
    square,
    `Real calls against wrong verdicts for ${target}. At most 2% wrong needs real calls: ${said.join(', ')}.`,
    [
      axisLeft(
        square,
        y.ticks(5).map((value) => ({ at: y(value), text: percentText(value, most) })),
        'wrong final verdicts, %',
      ),
      axisBottom(square, percentTicks(x), 'kernels that go to the real validator, %'),
      ...curves,
    ],
  );
}

function percentText(value: number, most: number): string {
  return (value * 100).toFixed(most < 0.04 ? 1 : 0);
}

export interface IntervalRow {
  readonly name: string;
  readonly kind: 'simulator' | 'baseline';
  readonly estimate: Estimate;
}

/** One measure of everybody, with intervals, above each other; `chance` is what guessing gets. */
export function intervalPlot(measure: {
  title: string;
  rows: readonly Numbered<IntervalRow>[];
  chance: number | null;
  /** As a percentage, or as a number between 0 and 1. */
  percent: boolean;
}): string {
  const { title, rows, chance, percent } = measure;
  const write = (value: number): string => (percent ? formatPercent(value, '%') : formatNumber(value));
  const step = 36;
  const bottom = rows.length * step + 4;
  const box: Box = { width: 272, height: bottom + 22, left: 12, right: 260, top: 2, bottom };
  const x = scaleLinear([0, 1], [box.left, box.right]);
  const body = rows.map(({ name, kind, estimate, series }, index) => {
    const y = box.top + index * step + 26;
    const { value, low, high } = estimate;
    const simulator = kind === 'simulator';
    const style = simulator ? `s${series % 6}` : 'plain';
    const spread =
      low === null || high === null
        ? ''
        : `<line class="whisker ${style}" x1="${px(x(low))}" x2="${px(x(high))}" y1="${y}" y2="${y}"/>`;
    const point = simulator
      ? mark(x(value), y, series, 64)
      : `<circle class="hollow" cx="${px(x(value))}" cy="${y}" r="4.5"/>`;
    const words =
      label(box.left, y - 11, name, 'start') +
      label(box.right, y - 11, write(value), 'end', simulator ? 'value' : 'tick');
    return `${words}${spread}${point}`;
  });
  const said = rows.map(({ name, estimate }) => `${name} ${write(estimate.value)}`).join(', ');
  const guess =
    chance === null
      ? ''
      : `<line class="ideal" x1="${px(x(chance))}" x2="${px(x(chance))}" y1="${box.top}" y2="${box.bottom}"/>`;
  const ticks = x.ticks(5).map((value) => ({ at: x(value), text: String(percent ? Math.round(value * 100) : value) }));
  return svg(box, `${title}: ${said}.`, [axisBottom(box, ticks, ''), guess, ...body]);
}

export function outcomePlot(outcomes: Report['counts']['outcomes']): string {
  const step = 26;
  const box: Box = {
    width: 360,
    height: outcomes.length * step + 8,
    left: 112,
    right: 270,
    top: 4,
    bottom: outcomes.length * step + 4,
  };
  const most = Math.max(1, ...outcomes.map(({ n }) => n));
  const total = outcomes.reduce((sum, { n }) => sum + n, 0);
  const x = scaleLinear([0, most], [0, box.right - box.left]);
  const bars = outcomes.map(({ status, n }, index) => {
    const y = box.top + index * step;
    const width = Math.max(1, x(n));
    return `${label(box.left - 8, y + 17, status, 'end')}<rect class="bar s0" x="${box.left}" y="${y + 4}" width="${px(width)}" height="${step - 8}"/>${label(box.left + width + 6, y + 17, `${formatCount(n)} (${formatPercent(n / total, '%')})`, 'start', 'value')}`;
  });
  const said = outcomes.map(({ status, n }) => `${status} ${n}`).join(', ');
  return svg(box, `Outcomes of ${total} kernels: ${said}.`, bars);
}

function percentTicks(scale: ((value: number) => number) & { ticks(count: number): number[] }, shown = true): Tick[] {
  return scale.ticks(5).map((value) => ({ at: scale(value), text: shown ? String(Math.round(value * 100)) : '' }));
}

function brief(n: number): string {
  return n < 1000 ? String(n) : `${formatNumber(n / 1000, n < 10_000 ? 1 : 0)}k`;
}

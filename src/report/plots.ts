import { scaleLinear, scaleLog } from 'd3-scale';
import { line } from 'd3-shape';
import { formatCount, formatMs, formatNumber, formatPercent } from './figures.js';
import type { Estimate, Report, RuntimeRow, VerdictRow } from './report-schema.js';
import { axisBottom, axisLeft, type Box, escapeMarkup, label, mark, px, svg, type Tick } from './svg.js';

/** A simulator keeps its number, and so its colour and mark, through all plots. */
export type Numbered<Row> = Row & { readonly series: number };

const square: Box = { width: 360, height: 320, left: 52, right: 342, top: 12, bottom: 272 };

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
  const said = rows.map(({ name, scores }) => `${name} ${formatNumber(scores?.expectedCalibrationError)}`).join(', ');
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

/** Accuracy among the most confident share of the answers. */
export function coveragePlot(rows: readonly Numbered<VerdictRow>[], target: string, majority: number | null): string {
  const reached = rows.flatMap(({ coverage }) => coverage.filter((point) => point.coverage >= 0.05));
  const lowest = Math.min(1, ...reached.map(({ accuracy }) => accuracy), majority ?? 1);
  const floor = Math.max(0, Math.min(0.9, Math.floor(lowest * 10 - 0.2) / 10));
  const x = scaleLinear([0, 1], [square.left, square.right]);
  const y = scaleLinear([floor, 1], [square.bottom, square.top]);
  const curves = rows.map(({ coverage, series }) => {
    const points = coverage.filter((point) => point.accuracy >= floor);
    const path = line<(typeof points)[number]>(
      (point) => x(point.coverage),
      (point) => y(point.accuracy),
    ).digits(1);
    const end = points.at(-1);
    const tooltip = end === undefined ? '' : `all answers taken: ${formatPercent(end.accuracy, '%')} right`;
    return `<path class="curve s${series % 6}" d="${path(points) ?? ''}"/>${end === undefined ? '' : mark(x(end.coverage), y(end.accuracy), series, 52, tooltip)}`;
  });
  const guess =
    majority === null || majority < floor
      ? ''
      : `<line class="ideal" x1="${square.left}" x2="${square.right}" y1="${px(y(majority))}" y2="${px(y(majority))}"/>${label(square.left + 6, y(majority) - 5, 'majority guess', 'start')}`;
  const half = rows.map(({ name, coverage }) => {
    const point = coverage.find((one) => one.coverage >= 0.5);
    return `${name} ${formatPercent(point?.accuracy, '%')}`;
  });
  return svg(square, `Accuracy against coverage for ${target}. On the more confident half: ${half.join(', ')}.`, [
    axisLeft(square, percentTicks(y), 'of these right, %'),
    axisBottom(square, percentTicks(x), 'most confident answers taken, %'),
    guess,
    ...curves,
  ]);
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
    right: 300,
    top: 4,
    bottom: outcomes.length * step + 4,
  };
  const most = Math.max(1, ...outcomes.map(({ n }) => n));
  const total = outcomes.reduce((sum, { n }) => sum + n, 0);
  const x = scaleLinear([0, most], [0, box.right - box.left]);
  const bars = outcomes.map(({ status, n }, index) => {
    const y = box.top + index * step;
    const width = Math.max(1, x(n));
    return `${label(box.left - 8, y + 17, status, 'end')}<rect class="bar s0" x="${box.left}" y="${y + 4}" width="${px(width)}" height="${step - 8}"/>${label(box.left + width + 6, y + 17, formatCount(n), 'start', 'value')}`;
  });
  const said = outcomes.map(({ status, n }) => `${status} ${n}`).join(', ');
  return svg(box, `Outcomes of ${total} kernels: ${said}.`, bars);
}

/** From the median to the 90% quantile, on a logarithmic scale. */
export function timePlot(time: Report['time']): string {
  const rows = [
    ...time.simulators.map(({ id, duration }, series) => ({ name: id, duration, series })),
    { name: 'real validator', duration: time.real, series: null },
  ].flatMap(({ name, duration, series }) =>
    duration === null || duration.medianMs <= 0 ? [] : [{ name, duration, series }],
  );
  const step = 38;
  const box: Box = {
    width: 360,
    height: rows.length * step + 52,
    left: 20,
    right: 340,
    top: 6,
    bottom: rows.length * step + 8,
  };
  const values = rows.flatMap(({ duration }) => [duration.medianMs, duration.p90Ms]);
  const x = scaleLog(decades(values), [box.left, box.right]);
  const body = rows.map(({ name, duration, series }, index) => {
    const y = box.top + index * step + 25;
    const { medianMs, p90Ms } = duration;
    const whisker = `<line class="whisker ${series === null ? 'plain' : `s${series % 6}`}" x1="${px(x(medianMs))}" x2="${px(x(Math.max(medianMs, p90Ms)))}" y1="${y}" y2="${y}"/>`;
    const point =
      series === null
        ? `<circle class="hollow" cx="${px(x(medianMs))}" cy="${y}" r="4.5"/>`
        : mark(x(medianMs), y, series, 64);
    const figures = `${formatMs(medianMs)}, 90%: ${formatMs(p90Ms)}`;
    return `${label(box.left, y - 11, name, 'start')}${label(box.right, y - 11, figures, 'end', 'value')}${whisker}${point}`;
  });
  const said = rows.map(({ name, duration }) => `${name} ${formatMs(duration.medianMs)}`).join(', ');
  return svg(box, `Median time of a verdict: ${said}.`, [
    axisBottom(box, logTicks(x, 6), 'time of a verdict'),
    ...body,
  ]);
}

/** Predicted against measured runtimes: on the diagonal is right, inside the band is within a factor of two. */
export function runtimePlot(rows: readonly Numbered<RuntimeRow>[]): string {
  const values = rows.flatMap(({ points }) => points.flatMap(({ truthMs, predictedMs }) => [truthMs, predictedMs]));
  const box: Box = { ...square, left: 64, right: 338 };
  const domain = decades(values);
  const x = scaleLog(domain, [box.left, box.right]);
  const y = scaleLog(domain, [box.bottom, box.top]);
  const [low, high] = domain;
  const corners = [
    [low, low * 2],
    [high / 2, high],
    [high, high],
    [high, high / 2],
    [low * 2, low],
    [low, low],
  ] as const;
  const band = corners.map(([truth, told]) => `${px(x(truth))},${px(y(told))}`).join(' ');
  const dots = rows.flatMap(({ name, points, series }) =>
    points.map(({ truthMs, predictedMs, problemId }) =>
      mark(
        x(truthMs),
        y(predictedMs),
        series,
        20,
        `${name}, ${problemId}: measured ${formatMs(truthMs)}, predicted ${formatMs(predictedMs)}`,
      ),
    ),
  );
  const said = rows.map(({ name, withinTwofold }) => `${name} ${formatPercent(withinTwofold?.value, '%')}`).join(', ');
  return svg(box, `Predicted against measured runtimes on logarithmic axes. Within a factor of two: ${said}.`, [
    axisLeft(box, logTicks(y, 6), 'predicted'),
    axisBottom(box, logTicks(x, 6), 'measured runtime'),
    `<polygon class="band" points="${band}"><title>${escapeMarkup('within a factor of two')}</title></polygon>`,
    `<line class="ideal" x1="${px(x(low))}" y1="${px(y(low))}" x2="${px(x(high))}" y2="${px(y(high))}"/>`,
    `<g class="cloud">${dots.join('')}</g>`,
  ]);
}

function percentTicks(scale: ((value: number) => number) & { ticks(count: number): number[] }, shown = true): Tick[] {
  return scale.ticks(5).map((value) => ({ at: scale(value), text: shown ? String(Math.round(value * 100)) : '' }));
}

/** Whole powers of ten around all the values, at least one decade apart. */
function decades(values: readonly number[]): [number, number] {
  const positive = values.filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(...(positive.length > 0 ? positive : [1]))) + 1e-9);
  const high = Math.ceil(Math.log10(Math.max(...(positive.length > 0 ? positive : [1]))) - 1e-9);
  return [10 ** low, 10 ** Math.max(high, low + 1)];
}

/** Powers of ten, thinned until they fit; each in its natural unit. */
function logTicks(scale: ((value: number) => number) & { domain(): number[] }, most: number): Tick[] {
  const [low = 1, high = 10] = scale.domain();
  const [first, last] = [Math.round(Math.log10(low)), Math.round(Math.log10(high))];
  const stride = Math.ceil((last - first + 1) / most);
  const powers: number[] = [];
  for (let power = first; power <= last; power += stride) powers.push(power);
  return powers.map((power) => ({ at: scale(10 ** power), text: formatPower(power) }));
}

/** A power of ten of milliseconds as `10 µs`, `1 ms`, `100 s`. */
function formatPower(power: number): string {
  const [unit, shift] = power < -3 ? ['ns', 6] : power < 0 ? ['µs', 3] : power < 3 ? ['ms', 0] : ['s', -3];
  return `${formatCount(Math.round(10 ** (power + Number(shift))))} ${unit}`;
}

function brief(n: number): string {
  return n < 1000 ? String(n) : `${formatNumber(n / 1000, n < 10_000 ? 1 : 0)}k`;
}

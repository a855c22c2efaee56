import { scaleLog } from 'd3-scale';
import { formatCount, formatMs, formatPercent } from './figures.js';
import { type Numbered, square } from './plots.js';
import type { Report, RuntimeRow } from './report-schema.js';
import { axisBottom, axisLeft, type Box, escapeMarkup, label, mark, px, svg, type Tick } from './svg.js';

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

import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import type { Numbered } from './plots.js';
import { axisBottom, axisLeft, type Box, escapeMarkup, label, mark, px, svg } from './svg.js';

export interface Curve {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** A measured point with its interval in both directions; null where there is none. */
export interface MarkedPoint {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly xRange: { readonly low: number; readonly high: number } | null;
  readonly yRange: { readonly low: number; readonly high: number } | null;
}

export interface CurvePlot {
  /** What can be seen, in words. */
  readonly label: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly xDomain: readonly [number, number];
  readonly yDomain: readonly [number, number];
  readonly xTick: (value: number) => string;
  readonly yTick: (value: number) => string;
  readonly curves: readonly Numbered<Curve>[];
  readonly marks?: readonly Numbered<MarkedPoint>[];
  /** Lines across the plot, with a word on them. */
  readonly limits?: readonly { readonly axis: 'x' | 'y'; readonly at: number; readonly word: string }[];
}

/** Lines over a linear field, with marks and limits; what lies outside the field is cut off. */
export function curvePlot(plot: CurvePlot): string {
  const box: Box = { width: 400, height: 320, left: 56, right: 384, top: 12, bottom: 272 };
  const x = scaleLinear([...plot.xDomain], [box.left, box.right]).clamp(true);
  const y = scaleLinear([...plot.yDomain], [box.bottom, box.top]).clamp(true);
  const curves = plot.curves.map(({ points, series, name }) => {
    const path = line<(typeof points)[number]>(
      (point) => x(point.x),
      (point) => y(point.y),
    ).digits(1)(points);
    return `<path class="curve s${series % 6}" d="${path ?? ''}"><title>${escapeMarkup(name)}</title></path>`;
  });
  const marks = (plot.marks ?? []).map(({ name, series, xRange, yRange, ...at }) => {
    const whisker = (x1: number, y1: number, x2: number, y2: number): string =>
      `<line class="whisker s${series % 6}" x1="${px(x1)}" y1="${px(y1)}" x2="${px(x2)}" y2="${px(y2)}"/>`;
    const [cx, cy] = [x(at.x), y(at.y)];
    const across = xRange === null ? '' : whisker(x(xRange.low), cy, x(xRange.high), cy);
    const along = yRange === null ? '' : whisker(cx, y(yRange.low), cx, y(yRange.high));
    return across + along + mark(cx, cy, series, 64, name);
  });
  const limits = (plot.limits ?? []).map(({ axis, at, word }) =>
    axis === 'x'
      ? `<line class="ideal" x1="${px(x(at))}" x2="${px(x(at))}" y1="${box.top}" y2="${box.bottom}"/>${label(x(at) + 4, box.top + 10, word, 'start')}`
      : `<line class="ideal" x1="${box.left}" x2="${box.right}" y1="${px(y(at))}" y2="${px(y(at))}"/>${label(box.left + 6, y(at) - 5, word, 'start')}`,
  );
  return svg(box, plot.label, [
    axisLeft(
      box,
      y.ticks(5).map((value) => ({ at: y(value), text: plot.yTick(value) })),
      plot.yTitle,
    ),
    axisBottom(
      box,
      x.ticks(5).map((value) => ({ at: x(value), text: plot.xTick(value) })),
      plot.xTitle,
    ),
    ...limits,
    ...curves,
    ...marks,
  ]);
}

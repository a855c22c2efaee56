import { scaleLinear, scaleLog } from 'd3-scale';
import { curveStepAfter, line } from 'd3-shape';
import { formatPercent } from '../figures.js';
import { type Numbered, square } from '../plots.js';
import { axisBottom, axisLeft, mark, px, svg } from '../svg.js';
import type { AgentScore } from './agent-report.js';

/** Share of the problems that are solved more than p times as fast as the reference, over p. */
export function successPlot(
  scores: readonly Numbered<AgentScore & { readonly name: string }>[],
  where: string,
): string {
  const most = Math.max(0.1, ...scores.flatMap(({ curve }) => curve.map(({ share }) => share)));
  const x = scaleLog([0.1, 10], [square.left, square.right]);
  const y = scaleLinear([0, Math.min(1, most * 1.08)], [square.bottom, square.top]);
  const curves = scores.map(({ name, curve, series }) => {
    const path = line<(typeof curve)[number]>(
      ({ p }) => x(p),
      ({ share }) => y(share),
    )
      .curve(curveStepAfter)
      .digits(1)(curve);
    const marks = curve
      .filter(({ p }) => p === 1)
      .map(({ p, share }) =>
        mark(x(p), y(share), series, 44, `${name}: ${formatPercent(share, '%')} beat the reference`),
      );
    return `<path class="curve s${series % 6}" d="${path ?? ''}"/>${marks.join('')}`;
  });
  const said = scores.map(({ name, curve }) => {
    const at = curve.find(({ p }) => p === 1);
    return `${name} ${formatPercent(at?.share, '%')}`;
  });
  const yTicks = y.ticks(5).map((value) => ({ at: y(value), text: String(Math.round(value * 1000) / 10) }));
  return svg(square, `Success over speed-up, ${where}. Faster than the reference: ${said.join(', ')}.`, [
    axisLeft(square, yTicks, 'of all problems, %'),
    axisBottom(
      square,
      [0.1, 0.2, 0.5, 1, 2, 5, 10].map((p) => ({ at: x(p), text: `${p}x` })),
      'correct and faster than',
    ),
    `<line class="ideal" x1="${px(x(1))}" x2="${px(x(1))}" y1="${square.top}" y2="${square.bottom}"/>`,
    ...curves,
  ]);
}

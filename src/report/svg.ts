import { symbol, symbolCircle, symbolDiamond, symbolSquare, symbolTriangle } from 'd3-shape';

/** Where a plot puts its data: the box between the axes, in its own units (one unit is one CSS pixel at full size). */
export interface Box {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export interface Tick {
  readonly at: number;
  readonly text: string;
}

/** Text for a document; control characters, which a kernel may hold and no document may, become a visible mark. */
export function escapeMarkup(text: string): string {
  const clean = text.replace(/(?![\n\t])[\p{Cc}\ufffe\uffff]/gu, '\ufffd');
  return clean
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;')
    .replace(/'/g, '&#39;');
}

/** A whole picture; `label` says in words what can be seen in it. */
export function svg(box: Box, label: string, body: readonly string[]): string {
  const size = `viewBox="0 0 ${box.width} ${box.height}" width="${box.width}" height="${box.height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" ${size} aria-label="${escapeMarkup(label)}">${body.join('')}</svg>`;
}

export function axisBottom(box: Box, ticks: readonly Tick[], title: string, grid = true): string {
  const marks = ticks.map(({ at, text }) => {
    const line = grid ? `<line class="grid" x1="${px(at)}" x2="${px(at)}" y1="${box.top}" y2="${box.bottom}"/>` : '';
    return `${line}${text === '' ? '' : label(at, box.bottom + 16, text, 'middle')}`;
  });
  const rule = `<line class="axis" x1="${box.left}" x2="${box.right}" y1="${box.bottom}" y2="${box.bottom}"/>`;
  const named = title === '' ? '' : label((box.left + box.right) / 2, box.height - 6, title, 'middle', 'title');
  return `${marks.join('')}${rule}${named}`;
}

export function axisLeft(box: Box, ticks: readonly Tick[], title: string): string {
  const marks = ticks.map(
    ({ at, text }) =>
      `<line class="grid" x1="${box.left}" x2="${box.right}" y1="${px(at)}" y2="${px(at)}"/>${label(box.left - 7, at + 4, text, 'end')}`,
  );
  const middle = (box.top + box.bottom) / 2;
  const named = `<text class="title" text-anchor="middle" transform="translate(13 ${px(middle)}) rotate(-90)">${escapeMarkup(title)}</text>`;
  return `${marks.join('')}${title === '' ? '' : named}`;
}

export function label(x: number, y: number, text: string, anchor: 'start' | 'middle' | 'end', name = 'tick'): string {
  return `<text class="${name}" x="${px(x)}" y="${px(y)}" text-anchor="${anchor}">${escapeMarkup(text)}</text>`;
}

const shapes = [symbolCircle, symbolSquare, symbolTriangle, symbolDiamond];

/** A mark of the n-th series: each has a colour and a shape, so that nobody needs to see the colour. */
export function mark(x: number, y: number, series: number, size = 52, tooltip = ''): string {
  const shape = shapes[series % shapes.length] ?? symbolCircle;
  const inside = tooltip === '' ? '' : `<title>${escapeMarkup(tooltip)}</title>`;
  const path = symbol(shape, size).digits(2)() ?? '';
  return `<path class="mark s${series % 6}" transform="translate(${px(x)} ${px(y)})" d="${path}">${inside}</path>`;
}

/** A legend entry's picture. */
export function swatch(series: number): string {
  return `<svg width="26" height="12" viewBox="0 0 26 12" aria-hidden="true"><line class="curve s${series % 6}" x1="1" x2="25" y1="6" y2="6"/>${mark(13, 6, series, 44)}</svg>`;
}

/** Coordinates need no more than a tenth of a pixel. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

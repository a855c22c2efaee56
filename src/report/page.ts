import { pageStyle } from './page-style.js';
import { escapeMarkup, swatch } from './svg.js';
import type { Table } from './tables.js';

export interface Section {
  readonly id: string;
  readonly name: string;
  readonly body: string;
}

/** One self-contained page: no script, nothing fetched, every word from outside escaped. */
export function page(parts: {
  /** What made it. */
  brand?: string;
  title: string;
  /** The result in plain sentences, the most important first. */
  headline: readonly string[];
  /** The key figures, each drawn by `figure`. */
  figures: readonly string[];
  sections: readonly Section[];
  generatedBy: { readonly kval: string; readonly at?: string | undefined };
}): string {
  const { brand = 'kval report', title, headline, figures, sections, generatedBy } = parts;
  const [lead = '', ...sentences] = headline;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="generator" content="kval ${escapeMarkup(generatedBy.kval)}">
<title>${escapeMarkup(title)}</title>
<style>${pageStyle}</style>
</head>
<body>
<a class="skip" href="#main">To the figures</a>
<header>
<p class="brand">${escapeMarkup(brand)}</p>
<h1>${escapeMarkup(title)}</h1>
<p class="lead">${escapeMarkup(lead)}</p>
<ul class="say">${sentences.map((sentence) => `<li>${escapeMarkup(sentence)}</li>`).join('')}</ul>
${figures.length === 0 ? '' : `<ul class="figures">${figures.join('')}</ul>`}
<nav aria-label="Sections"><ul>${sections.map(({ id, name }) => `<li><a href="#${id}">${escapeMarkup(name)}</a></li>`).join('')}</ul></nav>
</header>
<main id="main">
${sections.map(({ id, name, body }) => `<section aria-labelledby="${id}"><h2 id="${id}">${escapeMarkup(name)}</h2>\n${body}</section>`).join('\n')}
</main>
<footer>Made by kval ${escapeMarkup(generatedBy.kval)}${generatedBy.at === undefined ? '' : `, ${escapeMarkup(generatedBy.at)}`}. The JSON form of this report holds every number behind it.</footer>
</body>
</html>
`;
}

/** A key figure; without a value it says that it was not measured. */
export function figure(name: string, value: string | null, more: string): string {
  const big =
    value === null ? '<span class="big absent">not measured</span>' : `<span class="big">${escapeMarkup(value)}</span>`;
  return `<li><span class="name">${escapeMarkup(name)}</span>${big}<span class="more">${escapeMarkup(more)}</span></li>`;
}

/** Names of the marks; of one alone nothing needs to be told. */
export function legend(rows: readonly { readonly name: string; readonly series: number }[]): string {
  if (rows.length < 2) return '';
  return `<ul class="legend" aria-label="Marks in the plots">${rows.map(({ name, series }) => `<li>${swatch(series)}${escapeMarkup(name)}</li>`).join('')}</ul>`;
}

export function absence(reason: string): string {
  return `<p class="absence"><b>Not measured.</b> ${escapeMarkup(reason)}</p>`;
}

export function plot(what: string, drawn: string, caption: string): string {
  const head = what === '' ? '' : `<p class="what">${escapeMarkup(what)}</p>`;
  return `<figure>${head}${drawn}${caption === '' ? '' : `<figcaption>${escapeMarkup(caption)}</figcaption>`}</figure>`;
}

export function table({ title, columns, rows, notes }: Table): string {
  const align = (index: number): string => (columns[index]?.numeric ? ' class="num"' : '');
  const head = columns.map(
    ({ name }, index) => `<th scope="col"${align(index)}>${name === '' ? '<span></span>' : escapeMarkup(name)}</th>`,
  );
  let named = '';
  const body = rows.map(({ kind, cells }) => {
    const again = cells[0] === '' ? `<span class="unseen">${escapeMarkup(named)}</span>` : '';
    named = cells[0] || named;
    const drawn = cells.map((cell, index) =>
      index === 0
        ? `<th scope="row"${align(0)}>${escapeMarkup(cell)}${again}</th>`
        : `<td${align(index)}>${withInterval(cell)}</td>`,
    );
    return `<tr class="${kind}${again === '' ? '' : ' again'}">${drawn.join('')}</tr>`;
  });
  const said = notes.map((note) => `<p class="note">${escapeMarkup(note)}</p>`).join('');
  return `<div class="scroll${columns.length > 6 ? ' wide' : ''}" tabindex="0" role="region" aria-label="${escapeMarkup(title)}"><table><caption>${escapeMarkup(title)}</caption><thead><tr>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div>${said}`;
}

/** What stands beside the figures: each entry a name and its markup. */
export function definitions(entries: readonly (readonly [string, string])[]): string {
  return `<dl>${entries.map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`).join('')}</dl>`;
}

function withInterval(cell: string): string {
  const match = /^(\S+) (\(.+\))$/.exec(cell);
  const [, value, bounds] = match ?? [];
  return value === undefined || bounds === undefined
    ? escapeMarkup(cell)
    : `${escapeMarkup(value)} <span class="interval">${escapeMarkup(bounds)}</span>`;
}

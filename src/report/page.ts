import { pageStyle } from './page-style.js';
import { escapeMarkup, swatch } from './svg.js';

export interface Page {
  readonly kind: string;
  readonly title: string;
  readonly lead: string;
  readonly sentences: readonly string[];
  /** Markup. */
  readonly body: string;
  readonly footer: string;
}

/** One self-contained page in the look of a report: no script, nothing fetched. */
export function renderPage({ kind, title, lead, sentences, body, footer }: Page): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeMarkup(title)}</title>
<style>${pageStyle}</style>
</head>
<body>
<header>
<p class="brand">${escapeMarkup(kind)}</p>
<h1>${escapeMarkup(title)}</h1>
<p class="lead">${escapeMarkup(lead)}</p>
<ul class="say">${sentences.map((sentence) => `<li>${escapeMarkup(sentence)}</li>`).join('')}</ul>
</header>
<main id="main">
${body}
</main>
<footer>${escapeMarkup(footer)}</footer>
</body>
</html>
`;
}

export function legend(names: readonly string[]): string {
  const entries = names.map((name, series) => `<li>${swatch(series)}${escapeMarkup(name)}</li>`);
  return `<ul class="legend">${entries.join('')}</ul>`;
}

export function figure(what: string, picture: string, caption: string): string {
  return `<figure><p class="what">${escapeMarkup(what)}</p>${picture}<figcaption>${escapeMarkup(caption)}</figcaption></figure>`;
}

export function pageTable(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[]): string =>
    row
      .map((cell, index) =>
        index === 0 ? `<th scope="row">${escapeMarkup(cell)}</th>` : `<td class="num">${escapeMarkup(cell)}</td>`,
      )
      .join('');
  const heads = head.map(
    (name, index) => `<th scope="col"${index === 0 ? '' : ' class="num"'}>${escapeMarkup(name)}</th>`,
  );
  return `<div class="scroll"><table><caption>${escapeMarkup(caption)}</caption><thead><tr>${heads.join('')}</tr></thead><tbody>${rows.map((row) => `<tr>${cells(row)}</tr>`).join('')}</tbody></table></div>`;
}

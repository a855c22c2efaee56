import { styleText } from 'node:util';
import CliTable from 'cli-table3';

/** Columns that a report keeps within. */
export const width = 100;

export type Bold = (text: string) => string;

/** Headings stand out on a terminal; in a file they are plain text. */
export function boldWhere(terminal: boolean): Bold {
  return (text) => (terminal ? styleText('bold', text, { validateStream: false }) : text);
}

export function draw(heads: string[], rows: string[][]): string {
  const table = new CliTable({
    head: heads,
    colAligns: heads.map((_, index) => (index === 0 ? 'left' : 'right')),
    style: { head: [], border: [], 'padding-left': 1, 'padding-right': 1 },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  table.push(...rows.map((cells) => cells.map(oneLine)));
  return table.toString();
}

export function wrap(text: string, first: string, rest: string): string {
  const lines: string[] = [];
  let line = first;
  for (const word of oneLine(text).split(' ')) {
    const fits = line.length + word.length + 1 <= width;
    if (!fits && line.trim() !== '') {
      lines.push(line);
      line = rest;
    }
    line += `${line === first || line === rest ? '' : ' '}${clip(word, width - rest.length)}`;
  }
  return [...lines, line].join('\n');
}

/** Names come from files: no line breaks, no escape sequences. */
export function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}

export function clip(text: string, limit: number): string {
  return text.length > limit ? `${text.slice(0, limit - 3)}...` : text;
}

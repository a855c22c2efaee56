import type { Table } from './tables.js';

export function table({ title, columns, rows, notes }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(inline).join(' | ')} |`;
  return [
    `**${inline(title)}**`,
    '',
    line(columns.map(({ name }) => name)),
    `|${columns.map(({ numeric }) => (numeric ? '---:' : '---')).join('|')}|`,
    ...rows.map(({ cells }) => line(cells)),
    ...notes.flatMap((note) => ['', inline(note)]),
  ].join('\n');
}

/** Text that means nothing to Markdown but itself. */
export function inline(text: string): string {
  return text.replace(/[\\`*_{}[\]<>#|~]/g, (sign) => `\\${sign}`).replace(/\s*\n\s*/g, ' ');
}

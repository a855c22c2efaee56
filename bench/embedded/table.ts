import { formatNumber } from '../../src/report/figures.js';
import type { Interval } from '../../src/report/intervals.js';
import type { EmbeddedFigures } from './figures.js';
import type { VerdictFigures } from './verdict-figures.js';

/** What the benchmark measured, for a wide terminal. */
export function tableOf({ rows, tables, buildFirst }: EmbeddedFigures): string {
  return [
    JSON.stringify(rows),
    `${' '.repeat(nameWidth)} rows  pos    acc${'95%'.padStart(13)}     F1${'95%'.padStart(13)}  balan  preci recall    AUC  Brier`,
    ...Object.entries(tables).flatMap(([name, one]) => {
      if (one === null || !('positives' in one)) return [`${name}: ${JSON.stringify(one)}`];
      return [
        lineOf(name.slice(0, nameWidth), one),
        ...Object.entries(one.baselines ?? {}).map(([who, those]) => lineOf(`    ${who}`, those)),
        ...Object.entries(one.byGenerator ?? {}).map(([who, those]) => lineOf(`  ${who}`, those)),
      ];
    }),
    `build-first, kval's own build against what was published: ${JSON.stringify(buildFirst)}`,
  ].join('\n');
}

const nameWidth = 34;

function lineOf(name: string, one: VerdictFigures): string {
  const counts = [one.rows, one.positives].map((value) => String(value).padStart(5));
  const scores = [number(one.accuracy), range(one.accuracyInterval), number(one.f1), range(one.f1Interval)];
  const rest = [one.balancedAccuracy, one.precision, one.recall, one.auc, one.brier].map(number);
  return [name.padEnd(nameWidth), ...counts, ...scores, ...rest].join('');
}

function number(value: number | null): string {
  return formatNumber(value).padStart(7);
}

function range(interval: Interval | null): string {
  return (interval === null ? '' : `${formatNumber(interval.low)}-${formatNumber(interval.high)}`).padStart(13);
}

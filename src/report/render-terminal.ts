import { describeMachine } from './environment.js';
import {
  formatCount,
  formatCounted,
  formatFactor,
  formatMs,
  formatNumber,
  formatPercent,
  formatShare,
  none,
} from './figures.js';
import { paper, paperCaveat } from './paper.js';
import type { Report, VerdictRow, VerdictSection } from './report-schema.js';
import { type Bold, boldWhere, clip, draw, oneLine, width, wrap } from './terminal.js';

/**
 * The report's heart within 100 columns: what was compared, the two verdict tables, runtimes, times. Plain text;
 * `colour` adds bold headings and is for terminals only.
 */
export function renderTerminal(report: Report, options: { colour?: boolean } = {}): string {
  const bold = boldWhere(options.colour === true);
  const parts = [
    bold(clip(oneLine(report.title), width)),
    ...report.headline.map((sentence) => wrap(sentence, '- ', '  ')),
    '',
    ...verdictPart(report.compiled, bold),
    ...verdictPart(report.correct, bold),
    ...outcomePart(report),
    ...runtimePart(report, bold),
    ...timePart(report, bold),
    ...(report.compiled.rows.length + report.correct.rows.length === 0 ? [] : [wrap(paperCaveat, 'Note: ', '      ')]),
    ...report.notes.map((note) => wrap(note, 'Note: ', '      ')),
  ];
  return `${parts.join('\n')}\n`;
}

function verdictPart(section: VerdictSection, bold: Bold): string[] {
  const heading = section.target === 'compiled' ? 'Does it compile?' : 'Is it correct?';
  const { positives, negatives } = section;
  if (section.unmeasurable !== null) return [bold(heading), wrap(section.unmeasurable, '  ', '  '), ''];
  const heads = ['%', 'n', 'accuracy (95%)', 'prec.', 'recall', 'F1', 'bal.', 'AUC', 'Brier'];
  const published = publishedCells(section.target);
  const rows = [...section.rows.map(verdictCells), published];
  const counted = `${formatCount(positives)} ${section.target}, ${formatCount(negatives)} not, of ${formatCounted(section.problems, 'problem')}`;
  return [
    bold(`${heading} ${counted}`),
    draw(heads, rows),
    ...hybridLine(section),
    ...silent(section),
    ...section.notes.map((note) => wrap(note, '  ', '  ')),
    '',
  ];
}

function outcomePart({ outcomes }: Report): string[] {
  return outcomes.flatMap(({ simulator, n, accuracy }) => {
    const line = `Of five outcomes, ${simulator} tells the right one in ${formatShare(accuracy)} % of ${formatCounted(n, 'kernel')}.`;
    return [wrap(line, '  ', '  '), ''];
  });
}

/** Who has no figures, and why. */
function silent({ rows }: VerdictSection): string[] {
  return rows.flatMap(({ name, reason }) => (reason === null ? [] : [wrap(`${name}: ${reason}.`, '  ', '  ')]));
}

/** The one point of the frontier that is asked for most. */
function hybridLine({ rows }: VerdictSection): string[] {
  const said = rows.flatMap(({ kind, name, operating }) => {
    const point = operating.find(({ wrongAtMost }) => wrongAtMost === 0.02)?.point;
    return kind === 'baseline' || point === undefined
      ? []
      : [`${formatPercent(point?.realCalls ?? 1, '%')} beside ${name}`];
  });
  const line = `For at most 2% wrong final verdicts a hybrid judges for real: ${said.join(', ')}.`;
  return said.length === 0 ? [] : [wrap(line, '  ', '  ')];
}

function verdictCells({ name, n, scores }: VerdictRow): string[] {
  if (scores === null) return [clip(name, 18), ...Array.from({ length: 8 }, () => none)];
  const { accuracy, precision, recall, f1, balancedAccuracy, auc, brier } = scores;
  const short = formatShare(accuracy).replace(' to ', '-');
  const shares = [precision, recall, f1, balancedAccuracy].map((estimate) => formatPercent(estimate?.value));
  return [clip(name, 18), formatCount(n), short, ...shares, formatNumber(auc?.value), formatNumber(brier?.value)];
}

function publishedCells(target: VerdictSection['target']): string[] {
  const { accuracy, precision, recall, f1 } = paper[target];
  return [
    paper.name,
    none,
    ...[accuracy, precision, recall, f1].map((share) => formatPercent(share)),
    none,
    none,
    none,
  ];
}

function runtimePart({ runtime }: Report, bold: Bold): string[] {
  if (runtime.unmeasurable !== null) return [bold('How fast is it?'), wrap(runtime.unmeasurable, '  ', '  '), ''];
  const heads = ['', 'kernels', 'median error', 'mean error', 'median %', 'within 2x %', 'tau'];
  const rows = runtime.rows.map((row) => [
    clip(row.name, 22),
    formatCount(row.n),
    formatMs(row.medianAbsoluteErrorMs?.value),
    formatMs(row.meanAbsoluteErrorMs?.value),
    formatPercent(row.medianAbsolutePercentageError?.value),
    formatPercent(row.withinTwofold?.value),
    formatNumber(row.kendallTau?.value, 2),
  ]);
  const { n, medianMs, meanMs } = paper.runtime;
  rows.push([paper.name, formatCount(n), formatMs(medianMs), formatMs(meanMs), none, none, none]);
  const timed = `${formatCounted(runtime.timed, 'timed kernel')} of ${formatCounted(runtime.problems, 'problem')}`;
  return [
    bold(`How fast is it? ${timed}`),
    draw(heads, rows),
    ...runtime.notes.map((note) => wrap(note, '  ', '  ')),
    '',
  ];
}

function timePart({ time, generatedBy }: Report, bold: Bold): string[] {
  const rows = [
    ...time.simulators.map(({ id, duration, timesFaster }) => ({
      name: id,
      duration,
      faster: formatFactor(timesFaster),
    })),
    { name: 'real validator', duration: time.real, faster: time.real === null ? none : '1' },
  ].map(({ name, duration, faster }) => [
    clip(name, 30),
    duration === null ? none : formatCount(duration.n),
    formatMs(duration?.medianMs),
    formatMs(duration?.p90Ms),
    faster,
  ]);
  return [
    bold('What a verdict takes'),
    draw(['', 'verdicts', 'median', '90%', 'times faster'], rows),
    wrap(`On ${describeMachine(generatedBy.machine)}.`, '  ', '  '),
    '',
  ];
}

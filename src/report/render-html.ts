import { describeMachine } from './environment.js';
import { formatCount, formatCounted, formatFactor, formatMs, formatPercent } from './figures.js';
import { describeLabels, describeSplit, firstToTell } from './headline.js';
import { absence, definitions, figure, legend, page, plot, table } from './page.js';
import {
  frontierPlot,
  type IntervalRow,
  intervalPlot,
  type Numbered,
  outcomePlot,
  reliabilityPlot,
  rocPlot,
} from './plots.js';
import type { Estimate, Report, Scores, VerdictRow, VerdictSection } from './report-schema.js';
import { escapeMarkup } from './svg.js';
import * as tables from './tables.js';
import { runtimePlot, timePlot } from './time-plots.js';
import * as times from './time-tables.js';

/** One self-contained page: no script, nothing fetched, every word from outside escaped. */
export function renderHtml(report: Report): string {
  const sections = [
    { id: 'compiled', name: tables.questions.compiled, body: verdictSection(report.compiled) },
    { id: 'correct', name: tables.questions.correct, body: `${verdictSection(report.correct)}${outcomes(report)}` },
    { id: 'runtime', name: tables.questions.runtime, body: runtimeSection(report) },
    { id: 'confidence', name: 'When to trust it', body: confidenceSection(report) },
    { id: 'time', name: 'What a verdict takes', body: timeSection(report) },
    { id: 'kernels', name: 'The kernels', body: kernelsSection(report) },
    { id: 'worst', name: 'The worst errors', body: worstSection(report) },
    { id: 'made', name: 'How this was made', body: madeSection(report) },
  ];
  const { title, headline, generatedBy } = report;
  return page({ title, headline, figures: keyFigures(report), sections, generatedBy });
}

function keyFigures(report: Report): string[] {
  const first = report.simulators[0]?.id ?? '';
  const { runtime, time } = report;
  const typical = runtime.rows.find(({ id }) => id === first)?.medianAbsolutePercentageError;
  const own = time.simulators.find(({ id }) => id === first);
  return [
    verdictFigure('compiles or not: accuracy', report.compiled, first),
    verdictFigure('correct or not: accuracy', report.correct, first),
    typical === null || typical === undefined
      ? figure('runtime', null, runtime.unmeasurable === null ? 'not predicted' : 'no timed kernels to compare with')
      : figure(
          'runtime: typical error',
          formatPercent(typical.value, '%'),
          `median of ${formatCounted(runtime.timed, 'timed kernel')}`,
        ),
    own?.timesFaster === null || own === undefined
      ? figure('time of a verdict', own?.duration ? formatMs(own.duration.medianMs) : null, time.reason ?? '')
      : figure(
          'faster than the real validator',
          `${formatFactor(own.timesFaster)}x`,
          `${formatMs(own.duration?.medianMs)} instead of ${formatMs(time.real?.medianMs)} (medians)`,
        ),
  ];
}

function verdictFigure(name: string, section: VerdictSection, first: string): string {
  const row = firstToTell(section, first);
  const scores = row?.scores ?? null;
  if (row === undefined || scores === null)
    return figure(name, null, section.unmeasurable === null ? 'not predicted' : 'nothing to measure it with');
  const guesses = section.rows.filter(({ kind, scores }) => kind === 'baseline' && scores !== null);
  const against = guesses.map((guess) => `${guess.name} ${formatPercent(guess.scores?.accuracy.value, '%')}`);
  const who = row.id === first ? [] : [row.id];
  const more = [...who, interval(scores.accuracy), ...against].join('; ');
  return figure(name, formatPercent(scores.accuracy.value, '%'), more);
}

function interval({ low, high }: Estimate): string {
  return low === null || high === null ? 'no interval' : `95%: ${formatPercent(low)} to ${formatPercent(high)}`;
}

/** Simulators stand first in every section, in the report's order: their place is their number. */
function numbered<Row>(rows: readonly Row[]): Numbered<Row>[] {
  return rows.map((row, series) => ({ ...row, series }));
}

function verdictSection(section: VerdictSection): string {
  if (section.unmeasurable !== null) return absence(section.unmeasurable);
  const measured = (of: (scores: Scores) => Estimate | null): Numbered<IntervalRow>[] =>
    numbered(section.rows).flatMap(({ name, kind, scores, series }) => {
      const estimate = scores === null ? null : of(scores);
      return estimate === null ? [] : [{ name, kind, estimate, series }];
    });
  const measures = [
    { title: 'Accuracy', rows: measured(({ accuracy }) => accuracy), chance: null, percent: true },
    { title: 'F1', rows: measured(({ f1 }) => f1), chance: null, percent: true },
    {
      title: 'Balanced accuracy',
      rows: measured(({ balancedAccuracy }) => balancedAccuracy),
      chance: 0.5,
      percent: true,
    },
    { title: 'ROC AUC', rows: measured(({ auc }) => auc), chance: 0.5, percent: false },
  ];
  const { positives, negatives, problems, target } = section;
  const total = positives + negatives;
  return [
    `<p>Of ${formatCounted(total, 'kernel')} of ${formatCounted(problems, 'problem')}, ${formatCount(positives)} (${formatPercent(positives / total, '%')}) ${target === 'compiled' ? 'compiled' : 'are correct'} and ${formatCount(negatives)} ${target === 'compiled' ? 'did' : 'are'} not.</p>`,
    table(tables.verdictTable(section)),
    `<div class="plots small">${measures.map((measure) => plot(measure.title, intervalPlot(measure), '')).join('')}</div>`,
    table(tables.qualityTable(section)),
    matrices(section),
    `<p class="note">${tables.groupNote}</p>`,
    ...tables.groupTables(section).map(table),
  ].join('\n');
}

function outcomes(report: Report): string {
  return report.outcomes.map((section) => table(tables.outcomesTable(section))).join('\n');
}

function matrices(section: VerdictSection): string {
  const [yes, no] = [section.target, `not ${section.target}`];
  const cell = (n: number, total: number, kind: string): string =>
    `<td class="${kind}" style="--share:${(n / Math.max(1, total)).toFixed(3)}">${formatCount(n)}<small>${formatPercent(n / Math.max(1, total), '%')}</small></td>`;
  const drawn = tables.confusionRows(section).map(({ name, n, cells: [tp, fn, fp, tn] }) => {
    const head = `<tr><td style="background:none"></td><th scope="col">told ${yes}</th><th scope="col">told ${no}</th></tr>`;
    const rows = [
      `<tr><th scope="row">really ${yes}</th>${cell(tp, n, 'right')}${cell(fn, n, 'wrong')}</tr>`,
      `<tr><th scope="row">really ${no}</th>${cell(fp, n, 'wrong')}${cell(tn, n, 'right')}</tr>`,
    ];
    return `<div class="matrix"><table><caption>${escapeMarkup(name)}: right and wrong</caption><thead>${head}</thead><tbody>${rows.join('')}</tbody></table></div>`;
  });
  return `<div class="matrices">${drawn.join('')}</div>`;
}

function runtimeSection({ runtime }: Report): string {
  if (runtime.unmeasurable !== null) return absence(runtime.unmeasurable);
  const drawn = numbered(runtime.rows).filter(({ kind, points }) => kind === 'simulator' && points.length > 0);
  const scatter = plot(
    'Predicted and measured runtimes',
    runtimePlot(drawn),
    'Each mark is a kernel. On the dashed line the prediction is right; inside the band it is within a factor of two.',
  );
  return [
    table(times.runtimeTable(runtime)),
    drawn.length === 0 ? '' : `${legend(drawn)}<div class="plots">${scatter}</div>`,
    runtime.presence.length === 0 ? '' : table(times.presenceTable(runtime)),
  ].join('\n');
}

function confidenceSection(report: Report): string {
  const blocks = [report.compiled, report.correct].flatMap((section) => {
    const rows = numbered(section.rows).filter(({ kind, scores }) => kind === 'simulator' && scores !== null);
    if (section.unmeasurable !== null || rows.length === 0) return [];
    return [
      `${legend(rows)}<div class="plots">${confidencePlots(section, rows).join('')}</div>`,
      table(tables.operatingTable(section)),
    ];
  });
  if (blocks.length === 0) return absence('With no verdict to measure, confidence cannot be measured either.');
  return blocks.join('\n');
}

function confidencePlots(section: VerdictSection, rows: readonly Numbered<VerdictRow>[]): string[] {
  const { target } = section;
  return [
    plot(
      `Reliability: ${target}`,
      reliabilityPlot(rows, target),
      'On the dashed line a promise of 80% comes true in 80%. Below: how many kernels got such a probability; small marks stand for fewer than five.',
    ),
    plot(
      `Frontier: ${target}`,
      frontierPlot(rows, target),
      'From the right: every kernel judged for real, then more and more left to the simulator, its surest answers first. The lower the line, the better.',
    ),
    plot(
      `ROC: ${target}`,
      rocPlot(rows, target),
      'The further above the dashed line of guessing, the better it tells the two apart, whatever the threshold.',
    ),
  ];
}

function timeSection(report: Report): string {
  const { time } = report;
  const timed = [time.real, ...time.simulators.map(({ duration }) => duration)].filter((duration) => duration !== null);
  const drawn =
    timed.length > 1
      ? `<div class="plots">${plot('Time of a verdict', timePlot(time), 'The mark is the median, the line reaches to the 90% quantile; the scale is logarithmic.')}</div>`
      : '';
  return `${table(times.timeTable(report))}${drawn}`;
}

function kernelsSection({ counts }: Report): string {
  if (counts.kernels === 0) return absence('The test split holds no kernel.');
  const fidelities = counts.fidelities.map(({ fidelity, n }) => `${formatCount(n)} ${fidelity}`).join(', ');
  const spoken = `${formatCounted(counts.kernels, 'kernel')} of ${formatCounted(counts.problems, 'problem')} by ${formatCounted(counts.generators, 'generator')}; labels: ${fidelities}; ${formatCount(counts.timed)} timed.`;
  return `<p>${escapeMarkup(spoken)}</p><div class="plots">${plot('What really happened', outcomePlot(counts.outcomes), '')}</div>`;
}

function worstSection({ worst, simulators }: Report): string {
  if (worst.length === 0) return '<p>No answer was wrong where it could be checked.</p>';
  const parts = simulators.flatMap(({ id }) =>
    (['compiled', 'correct', 'runtime'] as const).flatMap((target) => {
      const errors = worst.filter((one) => one.simulator === id && one.target === target);
      if (errors.length === 0) return [];
      return [`<h3>${tables.questions[target]} ${escapeMarkup(id)}</h3>`, ...errors.map(worstError)];
    }),
  );
  return `<p>The answers that were most confident and wrong, for a person to look at.</p>${parts.join('\n')}`;
}

function worstError(one: Report['worst'][number]): string {
  const about = `${one.problemId}, by ${one.generator}${one.family === null ? '' : `, ${one.family}`}`;
  const head = `<summary><b>${escapeMarkup(one.prediction)}</b><span class="truth">really ${escapeMarkup(one.truth)}; ${escapeMarkup(about)}</span></summary>`;
  const { excerpt } = one;
  const where =
    excerpt === null
      ? 'Its text was not handed to the report.'
      : excerpt.lines === excerpt.ofLines
        ? `All ${excerpt.ofLines} lines.`
        : `Lines ${excerpt.firstLine} to ${excerpt.firstLine + excerpt.lines - 1} of ${excerpt.ofLines}.`;
  const code =
    excerpt === null
      ? ''
      : `<pre tabindex="0" aria-label="Kernel ${escapeMarkup(one.candidateHash.slice(0, 12))}"><code>${escapeMarkup(excerpt.text)}</code></pre>`;
  const said = one.diagnostics
    .map((message) => `<p class="note">said of it: <code>${escapeMarkup(message)}</code></p>`)
    .join('');
  return `<details>${head}<div class="inside"><p class="note">Kernel <code>${escapeMarkup(one.candidateHash.slice(0, 16))}</code>. ${where}</p>${said}${code}</div></details>`;
}

function madeSection({ split, labels, simulators, generatedBy, notes }: Report): string {
  const entries: [string, string][] = [
    ['Split', `${escapeMarkup(describeSplit({ split, simulators }))} Seed ${split.seed}.`],
    [
      'Rows',
      `${formatCount(split.trainRows)} to train on, ${formatCount(split.validationRows)} to calibrate on, ${formatCount(split.testRows)} held out.`,
    ],
    [
      'Data set',
      split.datasetHash === null ? 'no hash was handed over' : `<code>${escapeMarkup(split.datasetHash)}</code>`,
    ],
    ['Labels', escapeMarkup(`Labels ${describeLabels(labels)}.`)],
    ...simulators.map(({ id, engine, model, calibration, trainedOn }): [string, string] => [
      'Simulator',
      `${escapeMarkup(id)}: engine ${escapeMarkup(engine)}, model <code>${escapeMarkup(model)}</code>, calibration <code>${escapeMarkup(calibration)}</code>, trained on ${trainedOn === null ? 'nobody knows what' : `data set <code>${escapeMarkup(trainedOn)}</code>`}.`,
    ]),
    ['Machine', escapeMarkup(describeMachine(generatedBy.machine))],
    ['kval', escapeMarkup(generatedBy.kval)],
    ...generatedBy.commands.map((command): [string, string] => ['Command', `<code>${escapeMarkup(command)}</code>`]),
    [
      'Intervals',
      `95%. Shares: Wilson's score interval. F1, balanced accuracy, AUC, gains: percentiles of 1,000 resamples of whole problems (seed ${split.seed}); runtimes: of 400.`,
    ],
    [
      'Baselines',
      "The majority always gives the training split's commoner answer; the problem prior gives the share that the training split holds for what is known of the problem.",
    ],
    ...notes.map((note): [string, string] => ['Note', escapeMarkup(note)]),
  ];
  return definitions(entries);
}

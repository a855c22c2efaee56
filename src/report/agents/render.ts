import { describeMachine } from '../environment.js';
import { formatCount, formatPercent } from '../figures.js';
import { inline, table as markdownTable } from '../markdown.js';
import { absence, definitions, figure, legend, page, plot, table } from '../page.js';
import type { Numbered } from '../plots.js';
import { escapeMarkup } from '../svg.js';
import type { Table } from '../tables.js';
import { boldWhere, clip, draw, oneLine, width, wrap } from '../terminal.js';
import type { AgentReport, AgentScore } from './agent-report.js';
import { levelTable, passTable, readingNotes } from './agent-tables.js';
import { levelName, mostCorrect, outOf } from './headline.js';
import type { Counted } from './score.js';
import { successPlot } from './success-plot.js';

type Level = AgentReport['levels'][number];

/** Within 100 columns; plain text unless colour is asked for. */
export function renderAgentTerminal(report: AgentReport, options: { colour?: boolean } = {}): string {
  const bold = boldWhere(options.colour === true);
  const parts = [
    bold(clip(oneLine(report.title), width)),
    ...report.headline.map((sentence) => wrap(sentence, '- ', '  ')),
    '',
    ...report.levels.flatMap((level) =>
      tablesOf(report, level).flatMap((table) => [bold(table.title), narrow(table), ...table.notes.map(indented), '']),
    ),
    ...readingNotes.map(indented),
    ...report.notes.map((note) => wrap(note, 'Note: ', '      ')),
  ];
  return `${parts.join('\n')}\n`;
}

function indented(note: string): string {
  return wrap(note, '  ', '  ');
}

/** A run's name on a line of its own, its judges below; the intervals are left to the other forms. */
function narrow({ columns, rows }: Table): string {
  const heads = columns
    .slice(1)
    .map(({ name }) => name.replace('kernels', 'n').replace('compiled', 'comp.').replace(' %', ''));
  const cells = rows.flatMap(({ cells: [run = '', judge = '', ...figures] }) => [
    ...(run === '' ? [] : [[clip(run, 22), ...figures.map(() => '')]]),
    [`  ${clip(judge, 20)}`, ...figures.map(brief)],
  ]);
  return draw(['%', ...heads.slice(1)], cells);
}

/** What stands in brackets is left out; `12.0 to 30.0` as `12.0-30.0`. */
function brief(cell: string): string {
  return cell.replace(/ \(.*\)$/, '').replace(' to ', '-');
}

export function renderAgentMarkdown(report: AgentReport): string {
  const parts = [
    `# ${inline(report.title)}`,
    report.headline.map((sentence) => `- ${inline(sentence)}`).join('\n'),
    ...report.levels.flatMap((level) => [
      `## ${inline(levelName(level))}`,
      ...tablesOf(report, level).map((one) => markdownTable(one)),
    ]),
    ...readingNotes.map(inline),
    '## How this was made',
    madeOf(report)
      .map(([name, words]) => `- ${name}: ${inline(words)}`)
      .join('\n'),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** One file: no script, nothing fetched, light and dark, phone and print. */
export function renderAgentHtml(report: AgentReport): string {
  const { headline, generatedBy } = report;
  const made = madeOf(report).map(([name, words]): [string, string] => [name, escapeMarkup(words)]);
  return page({
    title: report.title,
    headline,
    figures: keyFigures(report),
    sections: [
      ...report.levels.map((level) => ({
        id: `level-${level.set}-${level.level}`,
        name: levelName(level),
        body: levelSection(report, level),
      })),
      {
        id: 'reading',
        name: 'How to read this',
        body: readingNotes.map((note) => `<p>${escapeMarkup(note)}</p>`).join(''),
      },
      { id: 'made', name: 'How this was made', body: definitions(made) },
    ],
    generatedBy,
  });
}

function keyFigures({ levels, judges }: AgentReport): string[] {
  return levels.flatMap((level) => {
    const best = mostCorrect(level, judges);
    if (best === null) return [];
    const { run, judge, correct } = best;
    return [
      figure(`${levelName(level)}: most correct`, bounds(correct), `${run}, ${judge}: ${outOf(correct)} problems`),
    ];
  });
}

function bounds({ yes, unknown, of }: Counted): string {
  const [low, high] = [yes, yes + unknown].map((count) => formatPercent(count / Math.max(1, of), '%'));
  return low === high ? `${low}` : `${low} to ${high}`;
}

function levelSection(report: AgentReport, level: Level): string {
  if (level.scores.length === 0) return absence('Nobody says anything of these kernels.');
  const drawn = level.scores
    .filter(({ timed }) => timed > 0)
    .map(
      (score, series): Numbered<AgentScore & { name: string }> => ({
        ...score,
        name: `${score.run}, ${score.judge}`,
        series,
      }),
    );
  const curves =
    drawn.length === 0
      ? absence('No correct kernel of this level has a known speed-up, so there is no success over speed-up to draw.')
      : `${legend(drawn)}<div class="plots">${plot(
          'Success over speed-up',
          successPlot(drawn, levelName(level)),
          'How many of all problems are solved correctly and more than so many times as fast as the reference; right of the dashed line they beat it. Kernels of unknown speed count as not fast here.',
        )}</div>`;
  return [...tablesOf(report, level).map(table), curves].join('\n');
}

function tablesOf(report: AgentReport, level: Level): Table[] {
  const passes = passTable(level);
  return [levelTable(report, level), ...(passes === null ? [] : [passes])];
}

function madeOf({ judges, runs, generatedBy, notes }: AgentReport): [string, string][] {
  return [
    ...runs.map(({ run, generator, kernels, samples }): [string, string] => [
      'Run',
      `${run}, by ${generator}: ${formatCount(kernels)} kernels, up to ${formatCount(samples)} a problem.`,
    ]),
    ...judges.map(({ id, about }): [string, string] => ['Verdicts', `${id}: ${about}.`]),
    [
      'Definitions',
      "KernelBench's (arXiv 2502.10517; src/kernelbench/score.py and scripts/benchmark_eval_analysis.py at 423217d): fast p counts kernels that are correct and strictly more than p times as fast, over all problems of the level; the geometric mean is over correct kernels, slower ones too; pass@k is the unbiased estimate. Unlike there, a verdict or a time that is missing is not counted as a failure but shown as a range or left out.",
    ],
    ['Machine', describeMachine(generatedBy.machine)],
    ['kval', generatedBy.kval],
    ...generatedBy.commands.map((command): [string, string] => ['Command', command]),
    ...notes.map((note): [string, string] => ['Note', note]),
  ];
}

import { describeMachine } from './environment.js';
import { formatCount } from './figures.js';
import { describeLabels, describeSplit } from './headline.js';
import { inline, table } from './markdown.js';
import type { Report, VerdictSection } from './report-schema.js';
import * as tables from './tables.js';
import * as times from './time-tables.js';

/** The report as Markdown tables, for a repository, an issue or a model card. */
export function renderMarkdown(report: Report): string {
  const { runtime } = report;
  const parts = [
    `# ${inline(report.title)}`,
    report.headline.map((sentence) => `- ${inline(sentence)}`).join('\n'),
    ...verdictParts('Does it compile?', report.compiled),
    ...verdictParts('Is it correct?', report.correct),
    ...report.outcomes.map((section) => table(tables.outcomesTable(section))),
    '## How fast is it?',
    ...(runtime.unmeasurable === null
      ? [table(times.runtimeTable(runtime)), runtime.presence.length === 0 ? '' : table(times.presenceTable(runtime))]
      : [inline(runtime.unmeasurable)]),
    '## Confidence and time',
    ...[report.compiled, report.correct]
      .filter(({ unmeasurable }) => unmeasurable === null)
      .map((section) => table(tables.operatingTable(section))),
    table(times.timeTable(report)),
    '## The held-out kernels',
    table(tables.outcomeTable(report)),
    ...worstPart(report),
    '## How this was made',
    provenance(report),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function verdictParts(heading: string, section: VerdictSection): string[] {
  if (section.unmeasurable !== null) return [`## ${heading}`, inline(section.unmeasurable)];
  return [
    `## ${heading}`,
    table(tables.verdictTable(section)),
    table(tables.qualityTable(section)),
    table(tables.confusionTable(section)),
    inline(tables.groupNote),
    ...tables.groupTables(section).map(table),
  ];
}

function worstPart({ worst }: Report): string[] {
  if (worst.length === 0) return [];
  const columns = ['simulator', 'problem', 'generator', 'truth', 'prediction', 'kernel'].map((name) => ({
    name,
    numeric: false,
  }));
  const rows = worst.map((one) => ({
    kind: 'plain' as const,
    cells: [one.simulator, one.problemId, one.generator, one.truth, one.prediction, one.candidateHash.slice(0, 12)],
  }));
  return ['## The worst errors', table({ title: 'Most confident and wrong', columns, rows, notes: [] })];
}

function provenance({ split, labels, simulators, generatedBy, notes }: Report): string {
  const rows = [
    `${split.trainRows} to train on`,
    `${split.validationRows} to calibrate on`,
    `${split.testRows} held out`,
  ];
  return [
    `- ${inline(describeSplit({ split, simulators }))} Seed ${split.seed}; rows: ${rows.join(', ')}${split.datasetHash === null ? '' : `; data set \`${split.datasetHash}\``}.`,
    `- Labels ${inline(describeLabels(labels))}.`,
    ...simulators.map(
      ({ id, engine, model, calibration, trainedOn }) =>
        `- ${inline(`${id}: engine ${engine}, model ${model}, calibration ${calibration}, trained on ${trainedOn === null ? 'nobody knows what' : `data set ${trainedOn}`}.`)}`,
    ),
    `- kval ${inline(generatedBy.kval)} on ${inline(describeMachine(generatedBy.machine))}${generatedBy.at === undefined ? '' : `, ${generatedBy.at}`}.`,
    ...generatedBy.commands.map((command) => `- \`${command.replace(/`/g, "'")}\``),
    ...notes.map((note) => `- ${inline(note)}`),
    `- Intervals by resampling problems: 1,000 resamples (${formatCount(400)} for runtimes), seed ${split.seed}.`,
  ].join('\n');
}

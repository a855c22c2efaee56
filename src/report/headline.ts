import { formatCount, formatCounted, formatFactor, formatMs, formatPercent } from './figures.js';
import type { Report, VerdictSection } from './report-schema.js';

type Parts = Pick<Report, 'labels' | 'split' | 'simulators' | 'counts' | 'compiled' | 'correct' | 'runtime' | 'time'>;

/** The result in plain sentences: what was compared, how good it is, how quick. It speaks of the first simulator. */
export function headlineOf(report: Parts): string[] {
  const { counts, simulators } = report;
  const first = simulators[0]?.id ?? '';
  const others = simulators.length - 1;
  if (counts.kernels === 0) return ['The test split holds no kernel, so nothing could be compared.'];
  const beside =
    others === 0 ? '' : `, and ${others === 1 ? 'one other simulator' : `${others} other simulators`} beside it,`;
  const kernels = formatCounted(counts.kernels, 'held-out kernel');
  const problems = formatCounted(counts.problems, 'problem');
  return [
    `The simulator "${first}"${beside} judged ${kernels} of ${problems}; its verdicts are compared with labels ${describeLabels(report.labels)}.`,
    describeSplit(report),
    verdictSentence(report.compiled, first),
    verdictSentence(report.correct, first),
    runtimeSentence(report, first),
    timeSentence(report, first),
  ];
}

/** Goes on after `labels`. */
export function describeLabels(labels: string): string {
  if (labels === 'harness') return "from kval's harness, which built each kernel and, where a device was there, ran it";
  if (labels === 'published') return 'that others published with the kernels; they were not checked here';
  return `described as: ${labels}`;
}

/** What the split is worth: a simulator that learned from another data set may have seen these very kernels. */
export function describeSplit({ split, simulators }: Pick<Report, 'split' | 'simulators'>): string {
  const strangers = simulators.filter(({ trainedOn }) => !fromSplit(trainedOn, split.datasetHash)).map(({ id }) => id);
  const warning = `${strangers.join(', ')} learned from another data set, so nobody knows whether ${strangers.length === 1 ? 'it' : 'they'} saw these kernels or these problems there; the figures may flatter.`;
  if (strangers.length === simulators.length) return warning;
  return strangers.length === 0 ? splitSentence(split.kind) : `${splitSentence(split.kind)} But ${warning}`;
}

/** Model cards and reports may shorten the hash of a data set. */
function fromSplit(trainedOn: string | null, datasetHash: string | null): boolean {
  if (trainedOn === null || datasetHash === null || trainedOn === '') return false;
  return datasetHash.startsWith(trainedOn) || trainedOn.startsWith(datasetHash);
}

function splitSentence(kind: Report['split']['kind']): string {
  switch (kind) {
    case 'problem':
      return 'Split by problem: no problem here was in the training split.';
    case 'generator':
      return 'Split by generator: no kernel of these generators was in the training split.';
    case 'random':
      return 'Random split: kernels of the same problems and generators stand on both sides, the easiest of the three splits.';
  }
}

/** The simulator that a result is told of: the first of the report, or else the first that says anything. */
export function firstToTell(section: VerdictSection, first: string): VerdictSection['rows'][number] | undefined {
  const told = section.rows.filter(({ kind, scores }) => kind === 'simulator' && scores !== null);
  return told.find(({ id }) => id === first) ?? told[0];
}

function verdictSentence(section: VerdictSection, id: string): string {
  const subject = section.target === 'compiled' ? 'Whether a kernel compiles' : 'Whether a kernel is correct';
  if (section.unmeasurable !== null) return `${subject} could not be measured. ${section.unmeasurable}`;
  const row = firstToTell(section, id);
  const scores = row?.scores;
  if (row === undefined || scores === null || scores === undefined) return `${subject}: ${id} says nothing.`;
  const { accuracy, overMajority } = scores;
  const [value, low, high] = [accuracy.value, accuracy.low, accuracy.high].map((share) => formatPercent(share, '%'));
  const guess = section.rows.find((one) => one.id === 'majority')?.scores?.accuracy;
  const who = row.id === id ? '' : ` (${row.id})`;
  const right = `${subject}${who}: right in ${value} of ${formatCount(row.n)} (95% interval ${low} to ${high})`;
  if (guess === undefined) return `${right}.`;
  const sure =
    overMajority === null || overMajority.low === null || overMajority.high === null
      ? ''
      : overMajority.low > 0
        ? ' It is better than guessing.'
        : overMajority.high < 0
          ? ' It is worse than guessing.'
          : ' From guessing it cannot be told apart.';
  return `${right}; always guessing the majority gets ${formatPercent(guess.value, '%')}.${sure}`;
}

function runtimeSentence({ runtime }: Parts, id: string): string {
  if (runtime.unmeasurable !== null) return `Runtimes could not be compared. ${runtime.unmeasurable}`;
  const row = runtime.rows.find((one) => one.id === id);
  if (row === undefined || row.n === 0) return `Runtime: ${id} ${row?.reason ?? 'says nothing'}.`;
  const typical = formatPercent(row.medianAbsolutePercentageError?.value, '%');
  return `Runtime: typically off by ${typical} (${formatMs(row.medianAbsoluteErrorMs?.value)}), within a factor of two in ${formatPercent(row.withinTwofold?.value, '%')} of ${formatCounted(row.n, 'timed kernel')}.`;
}

function timeSentence({ time }: Parts, id: string): string {
  const own = time.simulators.find((one) => one.id === id);
  const told =
    own?.duration === null || own === undefined ? null : `A verdict of ${id} takes ${formatMs(own.duration.medianMs)}`;
  if (told === null) return `How long ${id} takes was not recorded.`;
  if (time.real === null || own?.timesFaster === null || own === undefined)
    return `${told}. ${time.reason ?? ''}`.trim();
  const ratio =
    own.timesFaster >= 1
      ? `${formatFactor(own.timesFaster)} times faster`
      : `${formatFactor(1 / own.timesFaster)} times longer`;
  return `${told}, the real validator's ${formatMs(time.real.medianMs)} (medians): ${ratio}.`;
}

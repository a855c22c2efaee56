import { sha256 } from '../problem.js';
import type { DatasetSettings, Filtered } from './manifest.js';
import { type LabelledExample, labelledExampleSchema } from './row.js';

/** An example whose label says whether the kernel compiled. */
export type KnownExample = LabelledExample & { readonly label: { readonly compiled: boolean } };
export type Numbered = KnownExample & { readonly rowId: string };

type SelectCounts = Omit<Filtered, 'nearDuplicates'>;

/** Chooses one label for every kernel and device, the best there is, and counts what it leaves out. In the order of row ids. */
export function selectExamples(
  examples: Iterable<LabelledExample>,
  settings: DatasetSettings,
): { selected: Numbered[]; counts: SelectCounts; total: number } {
  const counts: SelectCounts = {
    malformed: 0,
    unknown: 0,
    otherLabels: 0,
    impossible: 0,
    tooLong: 0,
    superseded: 0,
    duplicates: 0,
    contradicting: 0,
  };
  let total = 0;
  const kernels = new Map<string, KnownExample[]>();
  for (const example of examples) {
    total += 1;
    const { label, problem, candidate } = example;
    if (!labelledExampleSchema.safeParse(example).success) counts.malformed += 1;
    else if (settings.labels !== 'any' && label.source !== settings.labels) counts.otherLabels += 1;
    else if (!isKnown(example)) counts.unknown += 1;
    else if (isImpossible(label)) counts.impossible += 1;
    else if (problem.source.length + candidate.source.length > settings.maxCharacters) counts.tooLong += 1;
    else {
      const key = sha256(problem.id, problem.sourceHash, candidate.hash);
      const labels = kernels.get(key);
      if (labels === undefined) kernels.set(key, [example]);
      else labels.push(example);
    }
  }
  const selected: Numbered[] = [];
  for (const [key, labels] of kernels) {
    const best = labels.reduce((highest, one) => Math.max(highest, rankOf(one)), 0);
    const leading = labels.filter((one) => rankOf(one) === best);
    counts.superseded += labels.length - leading.length;
    if (contradict(leading)) {
      counts.contradicting += leading.length;
      continue;
    }
    const devices = new Map<string, KnownExample>();
    for (const one of leading) {
      const device = one.label.device ?? '';
      const other = devices.get(device);
      if (other !== undefined) counts.duplicates += 1;
      if (other === undefined || preference(one) < preference(other)) devices.set(device, one);
    }
    for (const [device, one] of devices) selected.push({ ...one, rowId: sha256(key, device).slice(0, 24) });
  }
  selected.sort((a, b) => (a.rowId < b.rowId ? -1 : 1));
  return { selected, counts, total };
}

function isKnown(example: LabelledExample): example is KnownExample {
  return example.label.compiled !== null;
}

/** What cannot be, whoever says it: a flag against another, a flag against the outcome, more than the device can tell. */
function isImpossible({ status, fidelity, compiled, correct, runtimeMs }: LabelledExample['label']): boolean {
  return (
    (correct === true && compiled !== true) ||
    (runtimeMs !== null && (correct !== true || fidelity === 'emulated' || fidelity === 'built')) ||
    (correct === true && fidelity === 'built') ||
    (status !== null && (status === 'correct') !== (correct === true)) ||
    ((status === 'compile-error' || status === 'load-error') && compiled !== false)
  );
}

const ranks = { published: 0, built: 1, emulated: 2, measured: 3 } as const;

function rankOf(example: KnownExample): number {
  return example.label.source === 'published' ? 0 : ranks[example.label.fidelity];
}

function contradict(examples: readonly KnownExample[]): boolean {
  const compiled = new Set(examples.map((one) => one.label.compiled));
  const correct = new Set(examples.map((one) => one.label.correct).filter((value) => value !== null));
  return compiled.size > 1 || correct.size > 1;
}

/** Among equals: a timed label first, then any fixed order, so that the same input always gives the same set. */
function preference(example: KnownExample): string {
  const { label, candidate } = example;
  return `${label.runtimeMs === null ? 1 : 0}${label.correct === null ? 1 : 0} ${JSON.stringify([label.runtimeMs, candidate.generator, candidate.run, label])}`;
}

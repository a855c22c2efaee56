import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { makeCandidate } from '../candidate.js';
import { officialSet, problemId } from '../problem.js';
import { type ImportedCandidate, looksLikeCuda, type RowContext } from './candidate-row.js';
import { candidatesOfRows } from './candidates-of-rows.js';
import { generatorOf } from './generator.js';
import { parseLevel } from './problem-key.js';
import { publishedLabel } from './published.js';
import { type ImportEvent, malformedBy, stopIfAborted } from './report.js';
import { readRows } from './rows.js';
import { type RunLabel, readDetailedResults, readEvalResults, readRunConfig } from './run-labels.js';
import { readSource } from './source-file.js';
import { rowContext, type Stated } from './stated.js';

export type FolderDialect = 'runs' | 'detailed' | 'results';

type Events = AsyncGenerator<ImportEvent<ImportedCandidate>>;

const kernelFile = /^level_(?<level>\d+)_problem_(?<number>\d+)_sample_(?<sample>\d+)_kernel\.(?:py|cu)$/;
const detailedFile = /^problem_(?<number>\d+)_kernel\.(?:py|cu)$/;

/** Which kinds of runs folder this may be, by the files directly in it; the first is the best guess. */
export function dialectsOf(names: readonly string[]): readonly FolderDialect[] {
  const dialects: FolderDialect[] = [];
  if (names.some((name) => kernelFile.test(name)) || names.includes('eval_results.json')) dialects.push('runs');
  if (names.some((name) => detailedFile.test(name)) || names.includes('detailed_results.json'))
    dialects.push('detailed');
  if (names.includes('results.jsonl') && names.includes('generated_kernels')) dialects.push('results');
  return dialects;
}

/** Reads one runs folder. `where` is its place in the import, for the notes. */
export async function* readRunsFolder(folder: string, where: string, dialect: FolderDialect, stated: Stated): Events {
  switch (dialect) {
    case 'runs':
    case 'detailed':
      yield* readKernelFiles(folder, where, dialect, stated);
      return;
    case 'results':
      yield* readResultsFolder(folder, where, stated);
      return;
  }
}

interface KernelFile {
  readonly name: string;
  readonly level: number | null;
  readonly number: number;
  readonly sample: number;
}

async function* readKernelFiles(folder: string, where: string, dialect: 'runs' | 'detailed', stated: Stated): Events {
  const config = await readRunConfig(folder);
  const results = await publishedResults(folder, dialect);
  for (const note of results.malformed) yield { kind: 'malformed', ...note, where: place(where, note.where) };

  const run = stated.run ?? config.run ?? basename(folder);
  const runLevel = stated.level ?? results.level ?? config.level ?? parseLevel(/level[_-]?\d+/i.exec(run)?.[0] ?? null);
  const files = kernelFiles(await readdir(folder), dialect, runLevel);
  const levels = new Set(files.map((file) => file.level));
  const onlyLevel = levels.size === 1 ? (files[0]?.level ?? null) : null;
  const { unclaimed, claim } = labelIndex(results.labels, runLevel ?? onlyLevel);

  const set = stated.set ?? config.set ?? officialSet;
  const source = stated.source ?? basename(folder);
  const generator = generatorOf({
    stated: stated.generator ?? results.generator ?? config.generator,
    run,
    source,
  });
  for (const file of files) {
    stopIfAborted(stated.signal);
    const place_ = place(where, file.name);
    if (file.level === null && stated.problemId === null) {
      const reason = 'no level: neither the folder nor its files say one; name it with --level';
      yield { kind: 'malformed', where: place_, line: null, reason };
      continue;
    }
    const record = claim(file);
    let event: ImportEvent<ImportedCandidate>;
    try {
      const text = await readSource(join(folder, file.name));
      const candidate = makeCandidate({
        source: text,
        language: looksLikeCuda(text) ? 'cuda' : 'python',
        problemId: stated.problemId ?? problemId(set, file.level ?? 0, file.number),
        origin: { generator, run, sample: file.sample, source },
      });
      const published = record === null ? null : publishedLabel(record, { gpu: null, run });
      const item = { candidate, published, problem: null, backend: config.backend, hasCudaKernel: null };
      event = { kind: 'item', item, where: place_, line: null };
    } catch (thrown) {
      event = malformedBy(thrown, place_, null);
    }
    yield event;
  }
  for (const label of unclaimed()) {
    const which = `problem ${label.number}, sample ${label.sample}`;
    yield {
      kind: 'skipped',
      where: where || '.',
      line: null,
      reason: `a published result that no kernel file takes: ${which}`,
    };
  }
}

/** The labels of the folder; a results file that cannot be read is noted, and its kernels are unlabelled. */
async function publishedResults(folder: string, dialect: 'runs' | 'detailed'): Promise<PublishedResults> {
  const name = dialect === 'runs' ? 'eval_results.json' : 'detailed_results.json';
  const none = { labels: [], malformed: [], level: null, generator: null };
  if (!existsSync(join(folder, name))) return none;
  try {
    return dialect === 'runs' ? { ...none, ...(await readEvalResults(folder)) } : await readDetailedResults(folder);
  } catch (thrown) {
    const event = malformedBy(thrown, name, null);
    return event.kind === 'malformed' ? { ...none, malformed: [event] } : none;
  }
}
type PublishedResults = Awaited<ReturnType<typeof readDetailedResults>>;

function kernelFiles(names: readonly string[], dialect: 'runs' | 'detailed', runLevel: number | null): KernelFile[] {
  const files: KernelFile[] = [];
  for (const name of names) {
    const parts = (dialect === 'runs' ? kernelFile : detailedFile).exec(name)?.groups;
    if (!parts) continue;
    const level = parts.level === undefined ? runLevel : Number(parts.level);
    files.push({ name, level, number: Number(parts.number), sample: Number(parts.sample ?? 0) });
  }
  return files.sort(
    (a, b) =>
      (a.level ?? 0) - (b.level ?? 0) || a.number - b.number || a.sample - b.sample || (a.name < b.name ? -1 : 1),
  );
}

/** Finds the label of a kernel file; each label is given once, the last of several for the same kernel. */
function labelIndex(
  labels: readonly RunLabel[],
  level: number | null,
): { claim: (file: KernelFile) => JsonRecord | null; unclaimed: () => RunLabel[] } {
  const keyOf = (at: number | null, number: number, sample: number): string => `${at}/${number}/${sample}`;
  const index = new Map(labels.map((label) => [keyOf(label.level ?? level, label.number, label.sample), label]));
  const claimed = new Set<RunLabel>();
  return {
    claim: (file) => {
      const label = index.get(keyOf(file.level, file.number, file.sample));
      if (label === undefined) return null;
      claimed.add(label);
      return label.record;
    },
    unclaimed: () => labels.filter((label) => !claimed.has(label)),
  };
}
type JsonRecord = RunLabel['record'];

/** `results.jsonl` with a `status` on each row, and the code under `generated_kernels/level_L/problem_P.py`. */
async function* readResultsFolder(folder: string, where: string, stated: Stated): Events {
  const config = await readRunConfig(folder);
  const context: RowContext = {
    ...rowContext(stated, basename(folder)),
    run: stated.run ?? config.run ?? basename(folder),
    level: stated.level ?? config.level,
    set: stated.set ?? config.set,
    generator: stated.generator ?? config.generator,
    codeOf: async ({ level, number }, sample) => {
      const base = join(folder, 'generated_kernels', `level_${level}`, `problem_${number}`);
      const path = [`${base}_sample_${sample}.py`, `${base}.py`, `${base}.cu`].find((each) => existsSync(each));
      return path === undefined ? null : readSource(path);
    },
  };
  yield* candidatesOfRows(
    readRows(join(folder, 'results.jsonl'), 'jsonl', stated.signal),
    place(where, 'results.jsonl'),
    context,
  );
}

function place(where: string, name: string): string {
  return where === '' ? name : `${where}/${name}`;
}

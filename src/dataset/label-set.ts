import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { KvalError, toKvalError } from '../errors.js';
import { exportLabels } from '../labels/exchange.js';
import type { Label } from '../labels/label.js';
import type { LabelStore } from '../labels/store.js';
import { replaceFolder } from './build.js';
import { familiesGenerator } from './families/families.js';
import { type TurnedOut, turnedOut } from './mutate/turned-out.js';

const count = z.int().nonnegative();

/** What a shipped label file holds. `labels.jsonl.gz` has one label a line, as `kval labels export` writes them. */
export const labelSetSchema = z.object({
  format: z.literal('kval-labels'),
  formatVersion: z.literal(1),
  kval: z.string(),
  file: z.object({ name: z.string(), sha256: z.string(), bytes: count, labels: count }),
  problems: count,
  /** Labels by where the kernel comes from (samples, families, mutants) and outcome. */
  outcomes: z.record(z.string(), z.record(z.string(), count)),
  fidelities: z.record(z.string(), count),
  devices: z.array(z.string()),
  versions: z.array(z.string()),
  operators: z.array(
    z.object({
      name: z.string(),
      intent: z.string(),
      labelled: count,
      asIntended: count,
      outcomes: z.record(z.string(), count),
    }),
  ),
  commands: z.array(z.string()),
  notes: z.array(z.string()),
});
export type LabelSet = z.infer<typeof labelSetSchema>;

/** Who wrote the samples in `kernelbench/candidates`. */
const samplesGenerator = 'kval';

export interface LabelSetOptions {
  readonly kvalVersion: string;
  /** How the labels were made, for whoever wants to make them again. */
  readonly commands: readonly string[];
  /** What else is to be known of this set, among its limits. */
  readonly notes: readonly string[];
  readonly signal?: AbortSignal;
}

/**
 * Writes every label of a store as a folder to ship: compressed, without compilers' logs, with manifest and card. Refuses a
 * store with labels of other people's kernels, which are not ours to ship.
 */
export async function writeLabelSet(store: LabelStore, folder: string, options: LabelSetOptions): Promise<LabelSet> {
  const foreign = store
    .list()
    .find(({ generator }) => generator !== samplesGenerator && generator !== familiesGenerator);
  if (foreign !== undefined) {
    throw new KvalError(
      'usage',
      `the store has labels of kernels by ${foreign.generator}, which are not ours to ship`,
      {
        fix: 'Pack a store of its own, with nothing in it but our samples, families and their mutants.',
      },
    );
  }
  const target = resolve(folder);
  const draft = `${target}.draft-${process.pid}`;
  const name = 'labels.jsonl.gz';
  try {
    await mkdir(draft, { recursive: true });
    const path = join(draft, name);
    const { signal } = options;
    const labels = await exportLabels(store, path, { withoutLogs: true, ...(signal === undefined ? {} : { signal }) });
    const set = describe(store, {
      file: { name, sha256: await hashOf(path), bytes: (await stat(path)).size, labels },
      kval: options.kvalVersion,
      commands: [...options.commands],
      notes: [...options.notes],
    });
    await writeFile(join(draft, 'manifest.json'), `${JSON.stringify(set, null, 2)}\n`);
    await writeFile(join(draft, 'README.md'), cardOf(set, turnedOut(store)));
    await replaceFolder(draft, target);
    return set;
  } catch (thrown) {
    await rm(draft, { recursive: true, force: true });
    throw toKvalError(thrown);
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

function describe(store: LabelStore, known: Pick<LabelSet, 'file' | 'kval' | 'commands' | 'notes'>): LabelSet {
  const outcomes: Record<string, Record<string, number>> = {};
  const fidelities: Record<string, number> = {};
  const problems = new Set<string>();
  const devices = new Set<string>();
  const versions = new Set<string>();
  for (const label of store.iterate()) {
    const { measured, problem } = label;
    const { device, harness, torch, nvcc, gxx, arch } = measured.provenance;
    const kind = kindOf(label);
    const { status } = measured.outcome;
    outcomes[kind] = { ...outcomes[kind], [status]: (outcomes[kind]?.[status] ?? 0) + 1 };
    fidelities[measured.fidelity] = (fidelities[measured.fidelity] ?? 0) + 1;
    problems.add(problem.id);
    if (device !== null) devices.add(device);
    versions.add(`harness ${harness}, torch ${torch ?? '?'}, nvcc ${nvcc ?? '?'}, g++ ${gxx ?? '?'}, ${arch}`);
  }
  return {
    format: 'kval-labels',
    formatVersion: 1,
    ...known,
    problems: problems.size,
    outcomes,
    fidelities,
    devices: [...devices].sort(),
    versions: [...versions].sort(),
    operators: turnedOut(store).map(({ operator, labelled, asIntended, byStatus }) => ({
      name: operator.name,
      intent: operator.intent,
      labelled,
      asIntended,
      outcomes: byStatus,
    })),
  };
}

const kinds = ['samples', 'families', 'mutants'] as const;

function kindOf({ candidate }: Label): (typeof kinds)[number] {
  if (candidate.origin.mutation !== null) return 'mutants';
  return candidate.origin.generator === familiesGenerator ? 'families' : 'samples';
}

function cardOf(set: LabelSet, operators: readonly TurnedOut[]): string {
  const statuses = [...new Set(kinds.flatMap((kind) => Object.keys(set.outcomes[kind] ?? {})))].sort();
  const total = (kind: string): number => Object.values(set.outcomes[kind] ?? {}).reduce((sum, one) => sum + one, 0);
  const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  const most = (byStatus: TurnedOut['byStatus']): string =>
    Object.entries(byStatus)
      .sort(([, a], [, b]) => b - a)
      .map(([status, number]) => `${status} ${number}`)
      .join(', ');
  const otherwise = operators.filter(({ labelled, asIntended }) => asIntended * 2 < labelled);
  return `# ${set.file.labels} labelled CUDA kernels for the starter problems

Every kernel was written for this project: the samples in \`kernelbench/candidates\`, kernels of our families
(\`kval families\`) and mutants of both (\`kval mutate\`). Every label is a real build and, where it built, a real execution
by kval's harness. What an operator intends was never taken for a label. Made by kval ${set.kval}; it falls under the project's licence.

| | labels | ${statuses.join(' | ')} |
|---|---|${statuses.map(() => '---').join('|')}|
${kinds.map((kind) => row([kind, total(kind), ...statuses.map((status) => set.outcomes[kind]?.[status] ?? 0)])).join('\n')}

${set.problems} problems; fidelity ${Object.entries(set.fidelities)
    .map(([fidelity, number]) => `${fidelity} ${number}`)
    .join(', ')}; device ${set.devices.join(', ') || 'none'}. ${set.versions.join('; ')}.

## To use it

\`\`\`
kval labels import datasets/starter-mutants/labels.jsonl.gz
kval dataset build --out my-set
\`\`\`

## To make it again

\`\`\`
${set.commands.join('\n')}
\`\`\`

## What the operators' mutants turned out to be

\`as intended\`: for breaks-compile, it does not compile; for breaks-behaviour, it compiles and is not correct; for neutral
and speed, it is correct.

| operator | intent | labelled | as intended | outcomes |
|---|---|---|---|---|
${operators.map(({ operator, labelled, asIntended, byStatus }) => row([operator.name, operator.intent, labelled, asIntended, most(byStatus)])).join('\n')}

Otherwise than intended in more than half of their mutants: ${otherwise.map(({ operator }) => operator.name).join(', ') || 'none'}.

## Limits

- ${set.fidelities.measured ?? 0} were measured on a GPU. The others are not timed: what a mutant of a \`speed\` operator does to the runtime
  is not known. \`emulated\` ones ran in software, where additions that race are not lost: a mutant without its atomic
  operation is correct there.
- Our own kernels are cleaner and more alike than what language models write; a simulator that learned from this set
  alone should be tested on other people's kernels.
- Mutants differ from their parents in one place. A split by problem keeps the two together; a split at random does so
  through near-duplicates.
- Compilers' logs are left out of the file; diagnostics, outcomes and provenance are in it.
${set.notes.map((note) => `- ${note}\n`).join('')}`;
}

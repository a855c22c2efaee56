import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { KvalError } from '../errors.js';
import { readRunConfig } from '../import/run-labels.js';
import { officialSet } from '../problem.js';
import type { Usage } from './completion.js';

/** What one sample cost and gave; kept beside its kernel, so that no count is lost when a run is killed. */
const recordSchema = z.object({
  model: z.string(),
  finishReason: z.string(),
  hasCode: z.boolean(),
  attempts: z.int(),
  /** Tokens of this answer; null where the server counted none. */
  usage: z.object({ promptTokens: z.number(), completionTokens: z.number() }).nullable(),
  /** Tokens of all answers to this sample so far, those without code included. */
  spent: z.object({ promptTokens: z.number(), completionTokens: z.number(), answers: z.int(), uncounted: z.int() }),
});
type SampleRecord = z.infer<typeof recordSchema>;

export interface TotalUsage extends Usage {
  /** Answers that were received. */
  readonly answers: number;
  /** Answers of which the server did not say the tokens: the totals are without them. */
  readonly uncounted: number;
}

export interface SamplesFolder {
  readonly path: string;
  has(sample: SampleName): boolean;
  /** Writes prompt, answer, record and, last, the kernel: a kernel file means that the sample is complete. */
  write(sample: SampleName, parts: SampleParts): Promise<void>;
  total(): TotalUsage;
  /** Writes `generation_usage.json`. */
  close(): Promise<void>;
}

export interface SampleName {
  readonly level: number;
  readonly number: number;
  readonly sample: number;
}

interface SampleParts {
  readonly prompt: string;
  readonly answer: string;
  readonly code: string | null;
  readonly model: string;
  readonly finishReason: string;
  readonly attempts: number;
  readonly usage: Usage | null;
}

export interface FolderSettings {
  readonly model: string;
  readonly set: string;
  readonly levels: readonly number[];
  readonly samples: number;
  readonly temperature: number;
  readonly maxTokens: number;
  readonly concurrency: number;
  readonly promptVersion: number;
}

/** Opens a KernelBench runs folder for writing, a new one or one that an earlier run began. */
export async function openSamplesFolder(path: string, settings: FolderSettings): Promise<SamplesFolder> {
  await mkdir(path, { recursive: true });
  await refuseOtherRun(path, settings);
  await writeWhole(join(path, 'generation_config.yaml'), configText(path, settings));
  await removeTorn(path);
  const records = await readRecords(path);
  const total = (): TotalUsage => totalOf([...records.values()]);
  return {
    path,
    has: (sample) => existsSync(join(path, `${stemOf(sample)}_kernel.py`)),
    write: async (sample, { prompt, answer, code, ...rest }) => {
      const stem = stemOf(sample);
      const before = records.get(stem)?.spent ?? { promptTokens: 0, completionTokens: 0, answers: 0, uncounted: 0 };
      const record: SampleRecord = {
        ...rest,
        hasCode: code !== null,
        spent: {
          promptTokens: before.promptTokens + (rest.usage?.promptTokens ?? 0),
          completionTokens: before.completionTokens + (rest.usage?.completionTokens ?? 0),
          answers: before.answers + 1,
          uncounted: before.uncounted + (rest.usage === null ? 1 : 0),
        },
      };
      records.set(stem, record);
      await writeWhole(join(path, `${stem}_prompt.txt`), prompt);
      await writeWhole(join(path, `${stem}_response.txt`), answer);
      await writeWhole(join(path, `${stem}_response.json`), `${JSON.stringify(record, null, 2)}\n`);
      if (code !== null) await writeWhole(join(path, `${stem}_kernel.py`), code);
    },
    total,
    close: () => writeWhole(join(path, 'generation_usage.json'), usageText(settings.model, records, total())),
  };
}

function stemOf({ level, number, sample }: SampleName): string {
  return `level_${level}_problem_${number}_sample_${sample}`;
}

/** Samples of different models, temperatures or problem sets in one folder could never be told apart again. */
async function refuseOtherRun(path: string, settings: FolderSettings): Promise<void> {
  const earlier = await readRunConfig(path);
  const kernels = (await readdir(path)).some((name) => name.endsWith('_kernel.py'));
  if (!kernels && earlier.generator === null) return;
  const differing = [
    earlier.generator !== settings.model ? `model ${earlier.generator ?? 'unknown'}, not ${settings.model}` : null,
    (earlier.set ?? officialSet) !== settings.set
      ? `problem set ${earlier.set ?? officialSet}, not ${settings.set}`
      : null,
    earlier.temperature !== settings.temperature
      ? `temperature ${earlier.temperature ?? 'unknown'}, not ${settings.temperature}`
      : null,
  ].filter((part) => part !== null);
  if (differing.length > 0) {
    throw new KvalError('bad-input', `${path} holds samples of another run: ${differing.join('; ')}`, {
      fix: 'Name another folder with --out, or ask with the same model, temperature and problem set.',
    });
  }
}

function configText(path: string, settings: FolderSettings): string {
  const entries: readonly (readonly [string, string | number | boolean | null])[] = [
    ['backend', 'cuda'],
    ['dataset_src', 'local'],
    ['level', settings.levels.length === 1 ? (settings.levels[0] ?? null) : null],
    ['log_prompt', true],
    ['max_tokens', settings.maxTokens],
    ['model_name', settings.model],
    ['num_samples', settings.samples],
    ['num_workers', settings.concurrency],
    ['precision', 'fp32'],
    ['problem_set', settings.set],
    ['prompt_option', `kval_one_shot_${settings.promptVersion}`],
    ['run_name', basename(resolve(path))],
    ['server_type', 'openai'],
    ['store_type', 'local'],
    ['temperature', settings.temperature],
  ];
  return entries.map(([name, value]) => `${name}: ${yamlScalar(value)}\n`).join('');
}

function yamlScalar(value: string | number | boolean | null): string {
  if (typeof value !== 'string') return String(value);
  return /^[A-Za-z][\w./@+-]*$/.test(value) && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(value)
    ? value
    : JSON.stringify(value);
}

async function readRecords(path: string): Promise<Map<string, SampleRecord>> {
  const records = new Map<string, SampleRecord>();
  for (const name of await readdir(path)) {
    const stem = /^(level_\d+_problem_\d+_sample_\d+)_response\.json$/.exec(name)?.[1];
    if (stem === undefined) continue;
    const record = recordSchema.safeParse(jsonOrNull(await readFile(join(path, name), 'utf8')));
    if (record.success) records.set(stem, record.data);
  }
  return records;
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function totalOf(records: readonly SampleRecord[]): TotalUsage {
  const sum = (pick: (spent: SampleRecord['spent']) => number): number =>
    records.reduce((total, record) => total + pick(record.spent), 0);
  return {
    promptTokens: sum((spent) => spent.promptTokens),
    completionTokens: sum((spent) => spent.completionTokens),
    answers: sum((spent) => spent.answers),
    uncounted: sum((spent) => spent.uncounted),
  };
}

function usageText(model: string, records: ReadonlyMap<string, SampleRecord>, total: TotalUsage): string {
  const samples = [...records].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
  const listed = Object.fromEntries(samples.map(([stem, record]) => [stem, record.spent]));
  return `${JSON.stringify({ model, total, samples: listed }, null, 2)}\n`;
}

/** Halves of files that a killed run left; those of a run that still lives are its own. */
async function removeTorn(path: string): Promise<void> {
  for (const name of await readdir(path)) {
    const writer = /\.part-(\d+)$/.exec(name)?.[1];
    if (writer !== undefined && !isAlive(Number(writer))) await rm(join(path, name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (thrown) {
    return !(thrown instanceof Error && 'code' in thrown && thrown.code === 'ESRCH');
  }
}

/** A reader, and a run that continues after a kill, sees the whole file or none of it. */
async function writeWhole(path: string, text: string): Promise<void> {
  const part = `${path}.part-${process.pid}`;
  try {
    await writeFile(part, text);
    await rename(part, path);
  } catch (thrown) {
    await rm(part, { force: true });
    throw thrown;
  }
}

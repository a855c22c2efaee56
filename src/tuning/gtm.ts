import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { replaceFolder } from '../dataset/build.js';
import { priorsOf } from '../dataset/priors.js';
import { type Dataset, readDataset } from '../dataset/read.js';
import { KvalError, toKvalError } from '../errors.js';
import { type ModelCard, renderModelCard } from '../model-card.js';
import type { HeadCalibration } from '../simulator/calibration.js';
import type { OpenaiCalibration } from '../simulator/openai-calibration.js';
import type { GtmFolder } from '../simulator/openai-folder.js';
import { evaluate, type Scores } from './evaluate.js';
import { fitCalibration, type SaidOfRow } from './gtm-calibrate.js';
import { runModels, type TrainProgress } from './run-models.js';

export interface GtmOptions {
  readonly datasetFolder: string;
  readonly outFolder: string;
  /** A YAML file, as in `models/recipes`. */
  readonly recipe: string;
  /** A folder, the name of a model on the hub, or `config:FILE`; the recipe's own without it. */
  readonly base?: string;
  /** NAME=VALUE: changes of the recipe. */
  readonly changes?: readonly string[];
  /** Merges adapters into the base. */
  readonly merge?: boolean;
  /** A configuration of accelerate: several GPUs, several nodes. */
  readonly accelerate?: string;
  readonly python: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly kvalVersion: string;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TrainProgress) => void;
}

/**
 * Fine-tunes a language model on the chat rows of a data set, calibrates it on the validation split, measures it on the
 * test split, and writes the folder that engines serve. What is unfinished stands beside the target (`.training`): the same
 * call goes on from its last checkpoint, another one is refused.
 */
export async function trainGtm(options: GtmOptions): Promise<ModelCard> {
  const { signal } = options;
  const target = resolve(options.outFolder);
  const work = `${target}.training`;
  try {
    const dataset = await readDataset(options.datasetFolder, signal);
    await claim(work, await identityOf(options, dataset));
    const model = join(work, 'model');
    const launcher =
      options.accelerate === undefined
        ? {}
        : { launcher: ['-m', 'accelerate.commands.launch', '--config_file', resolve(options.accelerate)] };
    await runModels(trainCommand(options, work), { ...options, ...launcher });
    const scores = join(work, 'scores.json');
    await runModels(['score-gtm', '--model', model, '--dataset', options.datasetFolder, '--out', scores], options);
    const card = await describe(
      options,
      dataset,
      model,
      scoresSchema.parse(JSON.parse(await readFile(scores, 'utf8'))),
    );
    signal?.throwIfAborted();
    await replaceFolder(model, target);
    await rm(work, { recursive: true, force: true });
    return card;
  } catch (thrown) {
    throw toKvalError(thrown);
  }
}

function trainCommand(options: GtmOptions, work: string): string[] {
  return [
    'train-gtm',
    '--recipe',
    resolve(options.recipe),
    '--dataset',
    resolve(options.datasetFolder),
    '--work',
    work,
    ...(options.base === undefined ? [] : ['--base', options.base]),
    '--seed',
    String(options.seed ?? 1),
    ...(options.merge === true ? ['--merge'] : []),
    ...(options.changes ?? []).flatMap((change) => ['--set', change]),
  ];
}

/** All that decides which model comes out. */
async function identityOf(options: GtmOptions, dataset: Dataset): Promise<string> {
  const { base = null, changes = [], merge = false, seed = 1 } = options;
  const recipe = await readFile(options.recipe, 'utf8');
  return JSON.stringify({ dataset: dataset.manifest.id, recipe, base, changes, merge, seed });
}

async function claim(work: string, identity: string): Promise<void> {
  const path = join(work, 'started.json');
  const before = await readFile(path, 'utf8').catch(() => null);
  if (before !== null && before !== identity) {
    throw new KvalError('usage', `another training is unfinished in ${work}`, {
      fix: `Run the command that began it, or remove ${work} to give it up.`,
    });
  }
  await mkdir(work, { recursive: true });
  await writeFile(path, identity);
}

const scoresSchema = z.record(
  z.string(),
  z.object({ compiled: z.number().nullable(), correct: z.number().nullable(), runtimeMs: z.number().nullable() }),
);

const trainingSchema = z.object({ recipe: z.object({ method: z.string(), base: z.string(), max_length: z.int() }) });

async function describe(
  options: GtmOptions,
  dataset: Dataset,
  folder: string,
  scores: Readonly<Record<string, SaidOfRow>>,
): Promise<ModelCard> {
  const { signal } = options;
  const { manifest } = dataset;
  const { recipe } = trainingSchema.parse(JSON.parse(await readFile(join(folder, 'training.json'), 'utf8')));
  const { id, bytes } = await weigh(folder);
  const facts: GtmFolder = {
    format: 'kval-gtm',
    model: id,
    dataset: manifest.id,
    device: await commonDevice(dataset, signal),
    maxLength: recipe.max_length,
    merged: recipe.method === 'full' || options.merge === true,
  };
  const calibration = await fitCalibration({
    dataset,
    model: id,
    engine: 'in-process',
    reads: 'log-probabilities',
    saidOf: (rowId) => scores[rowId],
    ...(signal === undefined ? {} : { signal }),
  });
  const priors = await priorsOf(dataset.rows('train', signal));
  const metrics: ModelCard['metrics'] = [];
  for (const split of ['test', 'validation'] as const) {
    if (manifest.splits[split].rows === 0) continue;
    const score = ({ row }: { row: { id: string } }): Scores => scoresOf(scores[row.id], calibration);
    metrics.push(await evaluate(dataset, split, score, calibration, priors, signal));
  }
  const card = cardOf(options, dataset, calibration, bytes, metrics);
  const write = (name: string, value: unknown): Promise<void> =>
    writeFile(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  await write('gtm.json', facts);
  await write('calibration.json', calibration);
  await write('metrics.json', card);
  await writeFile(join(folder, 'README.md'), renderModelCard(card));
  return card;
}

/** A row that the model said nothing of (too long for it) is judged by the priors, as it will be when served. */
function scoresOf(said: SaidOfRow | undefined, { prior, runtime }: OpenaiCalibration): Scores {
  const logRuntimeMs = (factor: number): number => Math.log((said?.runtimeMs ?? 1) * factor);
  return {
    compiled: said?.compiled ?? logOdds(prior.compiled),
    correct: prior.correctGivenCompiled === null ? null : (said?.correct ?? logOdds(prior.correctGivenCompiled)),
    logRuntimeMs:
      said?.runtimeMs == null || runtime === null
        ? null
        : [logRuntimeMs(runtime.low), logRuntimeMs(runtime.median), logRuntimeMs(runtime.high)],
    correctOnceBuilt: null,
    invalid: null,
    ran: null,
    logSpeedup: null,
  };
}

function logOdds(share: number): number {
  const inside = Math.min(1 - 1e-6, Math.max(1e-6, share));
  return Math.log(inside / (1 - inside));
}

/** The id is the hash of what decides an answer: weights, adapters, tokenizer, template. */
async function weigh(folder: string): Promise<{ id: string; bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for (const name of (await readdir(folder)).sort()) {
    if (!/\.safetensors$|^tokenizer.*\.json$|^config\.json$|^adapter_config\.json$|\.jinja$/.test(name)) continue;
    hash.update(name);
    for await (const chunk of createReadStream(join(folder, name))) hash.update(chunk);
    bytes += (await stat(join(folder, name))).size;
  }
  return { id: hash.digest('hex').slice(0, 16), bytes };
}

async function commonDevice(dataset: Dataset, signal: AbortSignal | undefined): Promise<string | null> {
  const counts = new Map<string | null, number>();
  for await (const { label } of dataset.rows('train', signal))
    counts.set(label.device, (counts.get(label.device) ?? 0) + 1);
  const [most] = [...counts].sort(([, a], [, b]) => b - a);
  return most?.[0] ?? null;
}

function cardOf(
  options: GtmOptions,
  { manifest }: Dataset,
  calibration: OpenaiCalibration,
  bytes: number,
  metrics: ModelCard['metrics'],
): ModelCard {
  const head = (name: string, made: HeadCalibration | null): ModelCard['heads'][number] => ({
    name,
    trained: made !== null,
    calibratedOn: made?.basis ?? 'none',
    calibrationRows: made?.rows ?? 0,
  });
  return {
    format: 'kval-model-card',
    engine: 'openai',
    model: calibration.model,
    calibration: calibration.id,
    kval: options.kvalVersion,
    command: commandOf(options),
    dataset: {
      id: manifest.id,
      split: manifest.settings.split,
      seed: manifest.settings.seed,
      labels: manifest.settings.labels,
      rows: {
        train: manifest.splits.train.rows,
        validation: manifest.splits.validation.rows,
        test: manifest.splits.test.rows,
      },
      sources: manifest.sources,
    },
    heads: [
      head('compiled', calibration.heads.compiled),
      head('correct', calibration.heads.correct),
      { name: 'runtime', trained: calibration.runtime !== null, calibratedOn: 'none', calibrationRows: 0 },
    ],
    bytes,
    metrics,
  };
}

function commandOf({ recipe, base, merge, changes, seed }: GtmOptions): string {
  return [
    `kval finetune --recipe ${recipe.replace(/^.*\/models\/recipes\/(.*)\.yaml$/, '$1')}`,
    ...(base === undefined ? [] : [`--base ${base}`]),
    ...(merge === true ? ['--merge'] : []),
    ...(changes ?? []).map((change) => `--set ${change}`),
    ...(seed === undefined ? [] : [`--seed ${seed}`]),
  ].join(' ');
}

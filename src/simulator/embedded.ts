import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import type { Job } from '../candidate.js';
import { KvalError } from '../errors.js';
import { type Problem, sha256 } from '../problem.js';
import { type BuildFacts, buildFeatureNames, describeBuild } from './build-features.js';
import { type Calibration, calibrated, calibrationId, calibrationSchema } from './calibration.js';
import { extractFeatures, featureNames, featureVersion, gramColumns, type JobText } from './features.js';
import { type Forest, forestSchema, packForest, scoreForest } from './forest.js';
import { readPython } from './python-text.js';
import { confidenceOf, type Prediction, type PredictOptions, type Simulator } from './simulator.js';

const headSchema = z.object({
  /** Each gives log-odds. */
  boosted: z.array(forestSchema).min(1),
  /** Gives a share of yes. */
  random: forestSchema.nullable(),
});
const quantilesSchema = z.object({ low: forestSchema, median: forestSchema, high: forestSchema }).nullable();

/** `model.json` (or `model.json.gz`): trees as arrays, read by this process, written by `kval_models`. */
export const embeddedModelSchema = z.object({
  format: z.literal('kval-embedded'),
  formatVersion: z.literal(4),
  featureVersion: z.string(),
  dataset: z.string(),
  /** The hashed columns in use, in the order in which they follow the parsed features. */
  grams: z.array(
    z
      .int()
      .nonnegative()
      .max(gramColumns - 1),
  ),
  heads: z.object({
    compiled: headSchema,
    correct: headSchema.nullable(),
    /** The same, told what the build said: its columns follow the hashed ones. */
    correctOnceBuilt: headSchema.nullable(),
    /** Given that it does not compile: there is no CUDA kernel of a ModelNew. */
    invalid: headSchema.nullable(),
    /** Given that it compiles and is not correct: it runs to its end. */
    ran: headSchema.nullable(),
    /** Natural logarithm of milliseconds, at three quantiles. */
    runtime: quantilesSchema,
    /** Natural logarithm of the reference's time over the kernel's. */
    speedup: quantilesSchema,
  }),
});

/** The model itself: log-odds from texts, nothing calibrated; what each is given, the schema above says. */
export interface EmbeddedModel {
  readonly id: string;
  readonly dataset: string;
  readonly predictsRuntime: boolean;
  score(job: JobText, build?: BuildFacts | null): Scores;
}

/** Log-odds; logarithms as low, median and high quantile, rising. */
export interface Scores {
  readonly compiled: number;
  readonly correct: number | null;
  /** Null where no build is at hand, or it does not tell enough. */
  readonly correctOnceBuilt: number | null;
  readonly invalid: number | null;
  readonly ran: number | null;
  readonly logRuntimeMs: Spread | null;
  readonly logSpeedup: Spread | null;
}

type Spread = readonly [low: number, median: number, high: number];

export interface EmbeddedOptions {
  readonly folder: string;
  /** The device whose runtimes are wanted, as its labels name it. */
  readonly device?: string | null;
  /** The reference's measured runtime on that device, where somebody knows it. */
  readonly referenceRuntimeMs?: (problem: Problem) => number | null;
}

/** Opens a trained model folder: a few megabytes, no Python, no server; a verdict takes about a millisecond. */
export async function openEmbeddedSimulator(options: EmbeddedOptions): Promise<Simulator> {
  const model = await loadEmbeddedModel(options.folder);
  const calibration = await loadCalibration(options.folder, model.id);
  const predict = (job: Job, wanted: PredictOptions = {}): Prediction => {
    wanted.signal?.throwIfAborted();
    const reference = options.referenceRuntimeMs?.(job.problem) ?? null;
    const scores = model.score(
      textOf(job, options.device ?? null, reference),
      wanted.built === true ? wanted.build : null,
    );
    const given = (name: Exclude<keyof Calibration['heads'], 'compiled'>): number | null => {
      const [curve, score] = [calibration.heads[name], scores[name]];
      return curve == null || score === null ? null : calibrated(curve, score);
    };
    const empty = wanted.built !== true && holdsNoKernel(job);
    const compiled =
      wanted.built === true ? 1 : empty ? surelyNot : calibrated(calibration.heads.compiled, scores.compiled);
    // Whether it is correct was learned from kernels that compiled, so the two probabilities multiply.
    const once = given('correctOnceBuilt') ?? given('correct');
    const correct = once === null ? null : compiled * once;
    const probabilities = { compiled, correct };
    const runtimeMs = runtimeOf(scores, reference);
    const speedup =
      scores.logSpeedup !== null
        ? Math.exp(scores.logSpeedup[1])
        : reference === null || runtimeMs === null
          ? null
          : reference / runtimeMs.median;
    const outcomes = outcomesOf(probabilities, empty ? 1 - surelyNot : given('invalid'), given('ran'));
    return {
      probabilities,
      ...(outcomes === null ? {} : { outcomes }),
      runtimeMs,
      speedup,
      confidence: confidenceOf(probabilities),
    };
  };
  return {
    engine: 'embedded',
    model: model.id,
    calibration: calibration.id,
    predict: async (job, wanted) => predict(job, wanted),
    close: async () => {},
  };
}

/** As sure as a rule may be that was written by a person. */
const surelyNot = 0.01;

/**
 * What no model has to guess, and no policy should learn to exploit: Python that has no `ModelNew`, or never calls what
 * builds an extension, is `invalid` to the harness, however much it looks like a good kernel. Comments do not count.
 */
function holdsNoKernel({ candidate }: Job): boolean {
  if (candidate.language !== 'python') return false;
  const names = new Set(
    readPython(candidate.source).tokens.flatMap(({ kind, text }) => (kind === 'name' ? [text] : [])),
  );
  return !names.has('ModelNew') || !(names.has('load_inline') || names.has('load'));
}

/** The chances of five outcomes, one in all; null where the model cannot tell failures of one kind apart. */
function outcomesOf(
  { compiled, correct }: Prediction['probabilities'],
  invalid: number | null,
  ran: number | null,
): NonNullable<Prediction['outcomes']> | null {
  if (correct === null || invalid === null || ran === null) return null;
  const wrong = compiled - correct;
  return {
    invalid: (1 - compiled) * invalid,
    'compile-error': (1 - compiled) * (1 - invalid),
    'runtime-error': wrong * (1 - ran),
    mismatch: wrong * ran,
    correct,
  };
}

export function textOf(job: Job, device: string | null, referenceRuntimeMs: number | null): JobText {
  const { problem, candidate } = job;
  return {
    problem: problem.source,
    level: problem.level,
    candidate: candidate.source,
    language: candidate.language,
    device,
    referenceRuntimeMs,
  };
}

/** The reference's own time, where somebody knows it, says more of a kernel's time than any text. */
export function runtimeOf(
  scores: Scores,
  referenceMs: number | null,
): { low: number; median: number; high: number } | null {
  const { logRuntimeMs, logSpeedup } = scores;
  if (referenceMs !== null && logSpeedup !== null) {
    const [low, median, high] = logSpeedup;
    return {
      low: referenceMs / Math.exp(high),
      median: referenceMs / Math.exp(median),
      high: referenceMs / Math.exp(low),
    };
  }
  if (logRuntimeMs === null) return null;
  const [low, median, high] = logRuntimeMs;
  return { low: Math.exp(low), median: Math.exp(median), high: Math.exp(high) };
}

export async function loadEmbeddedModel(folder: string): Promise<EmbeddedModel> {
  const text = await readModelText(folder);
  const model = parseWith(embeddedModelSchema, text, join(folder, 'model.json'));
  if (model.featureVersion !== featureVersion) {
    throw new KvalError(
      'model-invalid',
      `the model in ${folder} was trained on other features (${model.featureVersion}) than this version computes (${featureVersion})`,
    );
  }
  const parsedAndGrams = featureNames.length + model.grams.length;
  const width = parsedAndGrams + buildFeatureNames.length;
  const place = new Int32Array(gramColumns).fill(-1);
  model.grams.forEach((column, index) => {
    place[column] = featureNames.length + index;
  });
  const pack = (forest: z.infer<typeof forestSchema>): Forest => packForest(forest, width, folder);
  const packHead = ({ boosted, random }: z.infer<typeof headSchema>): Head => ({
    boosted: boosted.map(pack),
    random: random === null ? null : pack(random),
  });
  const packQuantiles = (quantiles: z.infer<typeof quantilesSchema>): readonly Forest[] | null =>
    quantiles === null ? null : [pack(quantiles.low), pack(quantiles.median), pack(quantiles.high)];
  const { compiled, runtime, speedup } = model.heads;
  const packed = (head: z.infer<typeof headSchema> | null): Head | null => (head === null ? null : packHead(head));
  const heads = {
    compiled: packHead(compiled),
    correct: packed(model.heads.correct),
    correctOnceBuilt: packed(model.heads.correctOnceBuilt),
    invalid: packed(model.heads.invalid),
    ran: packed(model.heads.ran),
    runtime: packQuantiles(runtime),
    speedup: packQuantiles(speedup),
  };
  return {
    id: sha256(text).slice(0, 16),
    dataset: model.dataset,
    predictsRuntime: heads.runtime !== null || heads.speedup !== null,
    score(job, build = null) {
      const values = new Float32Array(width);
      const parsed = extractFeatures(job, (column) => {
        const at = place[column] ?? -1;
        if (at >= 0) values[at] = (values[at] ?? 0) + 1;
      });
      values.set(parsed);
      const told = build === null ? null : describeBuild(build);
      if (told !== null) values.set(told, parsedAndGrams);
      const said = (head: Head | null): number | null => (head === null ? null : scoreHead(head, values));
      const between = (forests: readonly Forest[] | null): Spread | null =>
        forests === null ? null : spread(forests, values);
      return {
        compiled: scoreHead(heads.compiled, values),
        correct: said(heads.correct),
        correctOnceBuilt: told === null ? null : said(heads.correctOnceBuilt),
        invalid: said(heads.invalid),
        ran: said(heads.ran),
        logRuntimeMs: between(heads.runtime),
        logSpeedup: between(heads.speedup),
      };
    },
  };
}

interface Head {
  readonly boosted: readonly Forest[];
  readonly random: Forest | null;
}

/** Boosted and randomised trees err differently; the mean of their log-odds errs less than any. */
function scoreHead({ boosted, random }: Head, values: Float32Array): number {
  const scores = boosted.map((forest) => scoreForest(forest, values));
  if (random !== null) scores.push(logit(scoreForest(random, values)));
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

/** Randomised trees give a share; one of all or nothing says less than infinity. */
function logit(share: number): number {
  const bounded = Math.min(0.999, Math.max(0.001, share));
  return Math.log(bounded / (1 - bounded));
}

/** Quantiles are learned apart and may cross; sorted they never do. */
function spread(quantiles: readonly Forest[], values: Float32Array): Spread {
  const [low = 0, median = 0, high = 0] = quantiles.map((forest) => scoreForest(forest, values)).sort((a, b) => a - b);
  return [low, median, high];
}

async function loadCalibration(folder: string, model: string): Promise<Calibration> {
  const path = join(folder, 'calibration.json');
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new KvalError('model-invalid', `the model in ${folder} has no readable calibration.json`, { cause });
  });
  const calibration = parseWith(calibrationSchema, text, path);
  if (calibration.model !== model || calibration.id !== calibrationId(model, calibration.heads)) {
    throw new KvalError('model-invalid', `${path} does not belong to the model beside it`);
  }
  return calibration;
}

async function readModelText(folder: string): Promise<string> {
  const plain = await readFile(join(folder, 'model.json')).catch(() => null);
  if (plain !== null) return plain.toString('utf8');
  const packed = await readFile(join(folder, 'model.json.gz')).catch(() => null);
  if (packed === null) throw new KvalError('model-missing', `there is no model in ${folder}`);
  try {
    return gunzipSync(packed).toString('utf8');
  } catch (cause) {
    throw new KvalError('model-invalid', `${join(folder, 'model.json.gz')} cannot be unpacked`, { cause });
  }
}

function parseWith<T>(schema: z.ZodType<T>, text: string, path: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new KvalError('model-invalid', `${path} is not JSON`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new KvalError('model-invalid', `${path} is damaged: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

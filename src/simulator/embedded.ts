import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import type { Job } from '../candidate.js';
import { KvalError } from '../errors.js';
import { type Problem, sha256 } from '../problem.js';
import { calibrated, calibrationId, calibrationSchema } from './calibration.js';
import { extractFeatures, featureNames, featureVersion, gramColumns, type JobText } from './features.js';
import {
  type Forest,
  forestSchema,
  type LinearPart,
  linearSchema,
  packForest,
  scoreForest,
  scoreLinear,
} from './forest.js';
import { confidenceOf, type Prediction, type PredictOptions, type Simulator } from './simulator.js';

const headSchema = z.object({ trees: forestSchema, linear: linearSchema.nullable() });

/** `model.json` (or `model.json.gz`): trees as arrays, read by this process, written by `kval_models`. */
export const embeddedModelSchema = z.object({
  format: z.literal('kval-embedded'),
  formatVersion: z.literal(1),
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
    /** Natural logarithm of milliseconds, at three quantiles. */
    runtime: z.object({ low: forestSchema, median: forestSchema, high: forestSchema }).nullable(),
  }),
});

/** The model itself: log-odds from texts, nothing calibrated; `correct` is given that the kernel compiles. */
export interface EmbeddedModel {
  readonly id: string;
  readonly dataset: string;
  readonly predictsRuntime: boolean;
  score(job: JobText): { compiled: number; correct: number | null; logRuntimeMs: [number, number, number] | null };
}

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
    const scores = model.score(textOf(job, options.device ?? null, reference));
    const compiled = wanted.built === true ? 1 : calibrated(calibration.heads.compiled, scores.compiled);
    const head = calibration.heads.correct;
    // The second head was trained on kernels that compiled, so the two probabilities multiply.
    const correct = head === null || scores.correct === null ? null : compiled * calibrated(head, scores.correct);
    const probabilities = { compiled, correct };
    const runtimeMs = scores.logRuntimeMs === null ? null : spread(scores.logRuntimeMs);
    const speedup = reference === null || runtimeMs === null ? null : reference / runtimeMs.median;
    return { probabilities, runtimeMs, speedup, confidence: confidenceOf(probabilities) };
  };
  return {
    engine: 'embedded',
    model: model.id,
    calibration: calibration.id,
    predict: async (job, wanted) => predict(job, wanted),
    close: async () => {},
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

/** Quantiles are learned apart and may cross; sorted they never do. */
function spread(logs: readonly [number, number, number]): { low: number; median: number; high: number } {
  const [low = 0, median = 0, high = 0] = logs.map(Math.exp).sort((a, b) => a - b);
  return { low, median, high };
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
  const width = featureNames.length + model.grams.length;
  const place = new Int32Array(gramColumns).fill(-1);
  model.grams.forEach((column, index) => {
    place[column] = featureNames.length + index;
  });
  const pack = (forest: z.infer<typeof forestSchema>): Forest => packForest(forest, width, folder);
  const { compiled, correct, runtime } = model.heads;
  const heads = {
    compiled: { trees: pack(compiled.trees), linear: compiled.linear },
    correct: correct === null ? null : { trees: pack(correct.trees), linear: correct.linear },
    runtime: runtime === null ? null : ([pack(runtime.low), pack(runtime.median), pack(runtime.high)] as const),
  };
  return {
    id: sha256(text).slice(0, 16),
    dataset: model.dataset,
    predictsRuntime: heads.runtime !== null,
    score(job) {
      const values = new Float32Array(width);
      const parsed = extractFeatures(job, (column) => {
        const at = place[column] ?? -1;
        if (at >= 0) values[at] = (values[at] ?? 0) + 1;
      });
      values.set(parsed);
      return {
        compiled: scoreHead(heads.compiled, values),
        correct: heads.correct === null ? null : scoreHead(heads.correct, values),
        logRuntimeMs:
          heads.runtime === null
            ? null
            : [
                scoreForest(heads.runtime[0], values),
                scoreForest(heads.runtime[1], values),
                scoreForest(heads.runtime[2], values),
              ],
      };
    },
  };
}

/** Trees and a linear model err differently; the mean of their log-odds errs less than either. */
function scoreHead(head: { trees: Forest; linear: LinearPart | null }, values: Float32Array): number {
  const trees = scoreForest(head.trees, values);
  return head.linear === null ? trees : (trees + scoreLinear(head.linear, values)) / 2;
}

async function loadCalibration(folder: string, model: string): Promise<z.infer<typeof calibrationSchema>> {
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

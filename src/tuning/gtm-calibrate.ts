import { type Dataset, readDataset } from '../dataset/read.js';
import { callOf } from '../dataset/row.js';
import { KvalError } from '../errors.js';
import { fitCurve, type HeadCalibration } from '../simulator/calibration.js';
import { openServed } from '../simulator/open.js';
import { ask, readsOf } from '../simulator/openai.js';
import { makeOpenaiCalibration, type OpenaiCalibration } from '../simulator/openai-calibration.js';
import type { Endpoint } from '../simulator/openai-endpoint.js';
import { openEndpoints } from '../simulator/openai-endpoints.js';
import { writeOpenaiCalibration } from '../simulator/openai-folder.js';
import { Scored } from './fit-embedded.js';

export interface CalibrateOptions {
  readonly folder: string;
  readonly dataset: string;
  readonly apiKey: string | null;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Calibrates a fine-tuned model behind the engine that serves it, on the validation split of its own data set. */
export async function calibrateServed(
  options: CalibrateOptions,
): Promise<{ calibration: OpenaiCalibration; path: string }> {
  const { folder, apiKey, signal } = options;
  const { facts, serving } = await openServed(folder);
  const dataset = await readDataset(options.dataset, signal);
  if (dataset.manifest.id !== facts.dataset) {
    throw new KvalError('usage', `the model in ${folder} was trained on data set ${facts.dataset}`, {
      fix: 'Name that data set: only its validation split is known to be new to the model.',
    });
  }
  const endpoint = await openEndpoints({ ...serving, apiKey });
  const { reads, said } = await askValidation({ ...options, dataset, endpoint });
  const calibration = await fitCalibration({
    dataset,
    model: facts.model,
    engine: serving.engine,
    reads,
    saidOf: (rowId) => said.get(rowId),
    ...(signal === undefined ? {} : { signal }),
  });
  return { calibration, path: await writeOpenaiCalibration(folder, calibration) };
}

/** What was said of one row of the validation split. A null score: nothing. */
export interface SaidOfRow {
  readonly compiled: number | null;
  readonly correct: number | null;
  readonly runtimeMs: number | null;
}

/** Fits how an engine's words about the validation split become probabilities. */
export async function fitCalibration(options: {
  readonly dataset: Dataset;
  readonly model: string;
  readonly engine: string;
  readonly reads: OpenaiCalibration['reads'];
  readonly saidOf: (rowId: string) => SaidOfRow | undefined;
  readonly signal?: AbortSignal;
}): Promise<OpenaiCalibration> {
  const { dataset, model, engine, reads, saidOf, signal } = options;
  const [compiled, correct] = [new Scored(), new Scored()];
  const ratios: number[] = [];
  for await (const { id, label } of dataset.rows('validation', signal)) {
    const said = saidOf(id);
    if (said === undefined || said.compiled === null) continue;
    compiled.add(said.compiled, label.compiled);
    if (said.correct !== null && label.compiled && label.correct !== null) correct.add(said.correct, label.correct);
    if (said.runtimeMs !== null && label.runtimeMs !== null) ratios.push(label.runtimeMs / said.runtimeMs);
  }
  const { train } = dataset.manifest.splits;
  const judged = train.correct.yes + train.correct.no - train.compiled.no;
  return makeOpenaiCalibration({
    model,
    engine,
    reads,
    heads: {
      compiled: fitHead(compiled, train.rows),
      correct: judged === 0 ? null : fitHead(correct, judged),
    },
    prior: {
      compiled: train.compiled.yes / train.rows,
      correctGivenCompiled: judged === 0 ? null : train.correct.yes / judged,
    },
    runtime:
      ratios.length < 5
        ? null
        : { low: quantile(ratios, 0.1), median: quantile(ratios, 0.5), high: quantile(ratios, 0.9) },
  });
}

/** Asks the engine about every row of the validation split. */
export async function askValidation(options: {
  readonly dataset: Dataset;
  readonly endpoint: Endpoint;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}): Promise<{ readonly reads: OpenaiCalibration['reads']; readonly said: ReadonlyMap<string, SaidOfRow> }> {
  const { dataset, endpoint, signal, onProgress } = options;
  const said = new Map<string, SaidOfRow>();
  const asked: Promise<void>[] = [];
  for await (const row of dataset.rows('validation', signal)) {
    asked.push(
      ask(endpoint, callOf(row), signal === undefined ? {} : { signal }).then((answer) => {
        said.set(row.id, answer ?? { compiled: null, correct: null, runtimeMs: null });
        onProgress?.(said.size, dataset.manifest.splits.validation.rows);
      }),
    );
  }
  const ended = await Promise.allSettled(asked);
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
  return { reads: readsOf(endpoint), said };
}

/** The score as it is where the split says too little to mend it. */
function fitHead(scored: Scored, trainedOn: number): HeadCalibration {
  if (!scored.enough) return { curve: { kind: 'platt', slope: 1, offset: 0 }, basis: 'none', rows: trainedOn };
  return { curve: fitCurve(scored.scores, scored.truths), basis: 'validation', rows: scored.scores.length };
}

function quantile(values: readonly number[], share: number): number {
  const order = [...values].sort((a, b) => a - b);
  const at = share * (order.length - 1);
  const low = order[Math.floor(at)] ?? 1;
  return low + ((order[Math.ceil(at)] ?? low) - low) * (at - Math.floor(at));
}

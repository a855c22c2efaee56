import { KvalError } from '../errors.js';
import type { Problem } from '../problem.js';
import { openEmbeddedSimulator } from './embedded.js';
import { openOpenaiSimulator } from './openai.js';
import { uncalibrated } from './openai-calibration.js';
import { openEndpoints } from './openai-endpoints.js';
import {
  type GtmFolder,
  openGtmFolder,
  readGtmFolder,
  readOpenaiCalibration,
  readServing,
  type Serving,
  writeServing,
} from './openai-folder.js';
import type { Simulator } from './simulator.js';

export interface OpenOptions {
  /** A model folder, or the address of an OpenAI-compatible endpoint; several, with commas, serve the same model. */
  readonly model: string;
  readonly apiKey: string | null;
  /** What an endpoint calls its model. */
  readonly named: string | null;
  readonly referenceRuntimeMs: (problem: Problem) => number | null;
  /** Ends the wait for an engine that says nothing. */
  readonly signal?: AbortSignal;
}

/** A folder says what kind of model it holds; an address is a language model, with no calibration. */
export async function openSimulator(options: OpenOptions): Promise<Simulator> {
  const { model, apiKey, named, referenceRuntimeMs, signal } = options;
  const stop = signal === undefined ? {} : { signal };
  if (/^https?:\/\//.test(model)) {
    const endpoint = { baseUrl: model, apiKey, ...(named === null ? {} : { model: named }), ...stop };
    return openOpenaiSimulator({
      endpoint,
      model: named ?? model,
      calibration: uncalibrated(named ?? model),
      device: null,
      referenceRuntimeMs,
    });
  }
  if ((await readGtmFolder(model)) === null) return openEmbeddedSimulator({ folder: model, referenceRuntimeMs });
  const { facts, serving } = await openServed(model);
  return openOpenaiSimulator({
    endpoint: { ...serving, apiKey, ...stop },
    model: facts.model,
    calibration: await readOpenaiCalibration(model, serving.engine, facts.model),
    device: facts.device,
    referenceRuntimeMs,
  });
}

/** A fine-tuned language model and where it is served. Throws `model-missing` where no engine serves it. */
export async function openServed(folder: string): Promise<{ facts: GtmFolder; serving: Serving }> {
  const facts = await openGtmFolder(folder);
  const serving = await readServing(folder);
  if (serving !== null) return { facts, serving };
  throw new KvalError('model-missing', `no engine serves a fine-tuned language model from ${folder}`, {
    fix: `Start one with \`kval simulator serve --model ${folder}\`, or name a running one with its --url.`,
  });
}

/** Writes down where a fine-tuned model is served, once it answers there. */
export async function noteServing(
  folder: string,
  {
    apiKey,
    signal,
    ...at
  }: { engine: string; baseUrl: string; model?: string; apiKey: string | null; signal?: AbortSignal },
): Promise<Serving> {
  await openGtmFolder(folder);
  const endpoint = await openEndpoints({ ...at, apiKey, ...(signal === undefined ? {} : { signal }) });
  const serving = { ...at, model: endpoint.model };
  await writeServing(folder, serving);
  return serving;
}

import type { Job } from '../candidate.js';
import { KvalError } from '../errors.js';
import type { Problem } from '../problem.js';
import { calibrated } from './calibration.js';
import { type ReadAnswer, readAnswer } from './openai-answer.js';
import type { OpenaiCalibration } from './openai-calibration.js';
import type { Endpoint, EndpointOptions } from './openai-endpoint.js';
import { openEndpoints } from './openai-endpoints.js';
import { promptMessages, returnSchema, type ToolCall } from './prompt.js';
import { confidenceOf, type Prediction, type PredictOptions, type Simulator } from './simulator.js';

export interface OpenaiOptions {
  readonly endpoint: EndpointOptions;
  /** Which fine-tuned model answers there. */
  readonly model: string;
  readonly calibration: OpenaiCalibration;
  /** The device whose verdicts are wanted, as the labels of its training named it; null where they named none. */
  readonly device: string | null;
  readonly referenceRuntimeMs?: (problem: Problem) => number | null;
}

/**
 * A fine-tuned language model behind an OpenAI-compatible address. An answer that was cut off or cannot be read is unsure:
 * the priors of its training, at confidence .5, never a verdict. A server that fails is a `KvalError`.
 */
export async function openOpenaiSimulator(options: OpenaiOptions): Promise<Simulator> {
  const { calibration, device } = options;
  const endpoint = await openEndpoints(options.endpoint);
  const reads = readsOf(endpoint);
  if (reads !== calibration.reads) {
    throw new KvalError(
      'model-invalid',
      `the calibration ${calibration.id} is for an engine that gives ${calibration.reads}, and this one gives ${reads}`,
      { fix: 'Calibrate the model behind this engine with `kval simulator calibrate`.' },
    );
  }
  return {
    engine: 'openai',
    model: options.model,
    calibration: calibration.id,
    async predict(job, wanted = {}) {
      const answer = await ask(endpoint, callOfJob(job, device), wanted);
      return predictionOf(answer, calibration, wanted, options.referenceRuntimeMs?.(job.problem) ?? null);
    },
    close: async () => {},
  };
}

export function readsOf(endpoint: Endpoint): OpenaiCalibration['reads'] {
  return endpoint.abilities.logprobs ? 'log-probabilities' : 'answers';
}

/** What the model says of one kernel, not calibrated. Null: it said nothing that can be read. */
export async function ask(
  endpoint: Endpoint,
  call: ToolCall['arguments'],
  wanted: PredictOptions = {},
): Promise<ReadAnswer | null> {
  const built = wanted.built === true;
  const completed = await endpoint.ask(promptMessages(call), returnSchema({ built }), wanted.signal);
  return completed === null ? null : readAnswer(completed);
}

function callOfJob({ problem, candidate }: Job, device: string | null): ToolCall['arguments'] {
  return {
    problem: problem.source,
    ...(device === null ? {} : { device }),
    language: candidate.language,
    kernel: candidate.source,
  };
}

function predictionOf(
  answer: ReadAnswer | null,
  calibration: OpenaiCalibration,
  { built }: PredictOptions,
  reference: number | null,
): Prediction {
  const { heads, prior, runtime } = calibration;
  const { correctGivenCompiled } = prior;
  if (answer === null) {
    const compiled = built === true ? 1 : prior.compiled;
    const correct = correctGivenCompiled === null ? null : compiled * correctGivenCompiled;
    return { probabilities: { compiled, correct }, runtimeMs: null, speedup: null, confidence: 0.5 };
  }
  const compiled = built === true ? 1 : calibrated(heads.compiled, answer.compiled);
  const given =
    heads.correct === null || answer.correct === null
      ? correctGivenCompiled
      : calibrated(heads.correct, answer.correct);
  const probabilities = { compiled, correct: heads.correct === null || given === null ? null : compiled * given };
  const runtimeMs =
    answer.runtimeMs === null || runtime === null
      ? null
      : {
          low: answer.runtimeMs * runtime.low,
          median: answer.runtimeMs * runtime.median,
          high: answer.runtimeMs * runtime.high,
        };
  const speedup = reference === null || runtimeMs === null ? null : reference / runtimeMs.median;
  return { probabilities, runtimeMs, speedup, confidence: confidenceOf(probabilities) };
}

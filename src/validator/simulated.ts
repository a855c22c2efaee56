import { type Job, jobKey } from '../candidate.js';
import { KvalError, toKvalError } from '../errors.js';
import type { PredictOptions, Simulator } from '../simulator/simulator.js';
import type { Predicted } from '../verdict.js';
import type { Validator } from './validator.js';

/** A validator whose word is a prediction. `predict` can also be told that the kernel was really built. */
export interface SimulatedValidator extends Validator<Predicted> {
  readonly simulator: Simulator;
  predict(job: Job, options?: PredictOptions): Promise<Predicted>;
}

export function createSimulatedValidator(options: { readonly simulator: Simulator }): SimulatedValidator {
  const { simulator } = options;
  let closed = false;
  const predict = async (job: Job, wanted: PredictOptions = {}): Promise<Predicted> => {
    if (closed) throw new KvalError('usage', 'this validator is closed');
    const startedAt = performance.now();
    try {
      wanted.signal?.throwIfAborted();
      const prediction = await simulator.predict(job, wanted);
      return {
        kind: 'predicted',
        fidelity: wanted.built === true ? 'built' : 'predicted',
        jobKey: jobKey(job),
        ...prediction,
        simulator: { engine: simulator.engine, model: simulator.model, calibration: simulator.calibration },
        durationMs: performance.now() - startedAt,
      };
    } catch (thrown) {
      throw toKvalError(thrown);
    }
  };
  return {
    name: `simulated:${simulator.engine}:${simulator.model}`,
    simulator,
    predict,
    validate: (job, wanted) => predict(job, wanted?.signal === undefined ? {} : { signal: wanted.signal }),
    async close() {
      if (closed) return;
      closed = true;
      await simulator.close();
    },
  };
}

/** Predicts a list of jobs in order, each with its own time: what a report compares with what was measured. */
export async function* predictJobs(
  simulator: Simulator,
  jobs: Iterable<Job> | AsyncIterable<Job>,
  options: { readonly signal?: AbortSignal } = {},
): AsyncGenerator<{ readonly job: Job; readonly predicted: Predicted }> {
  const validator = createSimulatedValidator({ simulator });
  for await (const job of jobs) yield { job, predicted: await validator.predict(job, options) };
}

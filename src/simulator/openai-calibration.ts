import { z } from 'zod';
import { sha256 } from '../problem.js';
import { headCalibrationSchema } from './calibration.js';

const share = z.number().min(0).max(1);

/**
 * How what an engine says of one fine-tuned model becomes probabilities. It belongs to that model and that engine: another
 * engine rounds, masks and reports otherwise.
 */
export const openaiCalibrationSchema = z.object({
  format: z.literal('kval-gtm-calibration'),
  id: z.string(),
  model: z.string(),
  /** `in-process`: fitted by the fine-tuning itself. */
  engine: z.string(),
  /** What the scores were: log-odds of the verdict's tokens, or only which verdict was given. */
  reads: z.enum(['log-probabilities', 'answers']),
  heads: z.object({ compiled: headCalibrationSchema, correct: headCalibrationSchema.nullable() }),
  /** Shares in the training split: what is left to say where the model said nothing. */
  prior: z.object({ compiled: share, correctGivenCompiled: share.nullable() }),
  /** The true runtime over the said one: its 10%, 50% and 90% quantiles. */
  runtime: z.object({ low: z.number(), median: z.number(), high: z.number() }).nullable(),
});
export type OpenaiCalibration = z.infer<typeof openaiCalibrationSchema>;

export function makeOpenaiCalibration(parts: Omit<OpenaiCalibration, 'format' | 'id'>): OpenaiCalibration {
  return { format: 'kval-gtm-calibration', id: openaiCalibrationId(parts), ...parts };
}

/** For an address that no model folder belongs to: probabilities as the engine gives them. */
export function uncalibrated(model: string): OpenaiCalibration {
  const head = { curve: { kind: 'platt', slope: 1, offset: 0 }, basis: 'none', rows: 1000 } as const;
  return makeOpenaiCalibration({
    model,
    engine: 'unknown',
    reads: 'log-probabilities',
    heads: { compiled: head, correct: head },
    prior: { compiled: 0.5, correctGivenCompiled: 0.5 },
    runtime: null,
  });
}

/** The hash of all that decides a prediction, so that a reply that names it can be reproduced. */
export function openaiCalibrationId(parts: Omit<OpenaiCalibration, 'format' | 'id'>): string {
  const { model, engine, reads, heads, prior, runtime } = parts;
  return sha256(JSON.stringify({ model, engine, reads, heads, prior, runtime })).slice(0, 16);
}

import type { Job } from '../candidate.js';
import type { Predicted } from '../verdict.js';
import type { BuildFacts } from './build-features.js';

/** What a simulator expects of a job; the validator around it adds whose word it is and how long it took. */
export type Prediction = Pick<Predicted, 'probabilities' | 'outcomes' | 'runtimeMs' | 'speedup' | 'confidence'>;

export interface PredictOptions {
  readonly signal?: AbortSignal;
  /** The kernel was really built, without error: only what needs a device is to be predicted. */
  readonly built?: boolean;
  /** What that build said, where somebody kept it. */
  readonly build?: BuildFacts | null;
}

/** Predicts an outcome distribution for a job. It throws only where it cannot answer at all. */
export interface Simulator {
  readonly engine: string;
  /** Names the trained model: the same id means the same answers. */
  readonly model: string;
  readonly calibration: string;
  predict(job: Job, options?: PredictOptions): Promise<Prediction>;
  close(): Promise<void>;
}

/** Probability of the less certain of the verdicts given. */
export function confidenceOf(probabilities: Predicted['probabilities']): number {
  const sure = (probability: number): number => Math.max(probability, 1 - probability);
  const compiled = sure(probabilities.compiled);
  return probabilities.correct === null ? compiled : Math.min(compiled, sure(probabilities.correct));
}

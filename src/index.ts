import { readConfig } from './config.js';
import { Kval, type ValidatorConfig } from './kval.js';
import type { Validator } from './validator/validator.js';
import type { Verdict } from './verdict.js';

/**
 * Opens a validator: the real harness, a simulator, or a hybrid of both, by configuration alone.
 *
 * A bad kernel is a verdict; only a validator that cannot judge throws a `KvalError`. `close` ends its workers.
 */
export async function createValidator(config: ValidatorConfig): Promise<Validator<Verdict>> {
  const kval = new Kval(readConfig());
  try {
    const validator = await kval.validator(config);
    return {
      name: validator.name,
      validate: (job, options) => validator.validate(job, options),
      async close() {
        await validator.close();
        await kval.close();
      },
    };
  } catch (thrown) {
    await kval.close();
    throw thrown;
  }
}

export {
  type Candidate,
  type Job,
  makeCandidate,
  type Origin,
  type Settings,
  settingsSchema,
} from './candidate.js';
export { type ErrorCode, errorTable, KvalError } from './errors.js';
export { readCandidates } from './import/candidates.js';
export { readProblems } from './import/problems.js';
export { Kval, type Mode, type ValidatorConfig } from './kval.js';
export { makeProblem, type Problem, parseProblemId } from './problem.js';
export type { HybridState, HybridValidator } from './validator/hybrid.js';
export type { HybridPolicy } from './validator/policy.js';
export type { Validator } from './validator/validator.js';
export {
  type BuildRecord,
  compiledOf,
  correctOf,
  type Decision,
  type Diagnostic,
  type Measured,
  measuredSchema,
  type Outcome,
  outcomeSchema,
  type Predicted,
  predictedSchema,
  type Timing,
  type Verdict,
} from './verdict.js';

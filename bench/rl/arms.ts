import { confidenceOf, type Simulator } from '../../src/simulator/simulator.js';
import { createHybridValidator, type HybridOptions } from '../../src/validator/hybrid.js';
import { createSimulatedValidator, type SimulatedValidator } from '../../src/validator/simulated.js';
import type { Validator } from '../../src/validator/validator.js';
import type { RecordedReal } from './recorded.js';

/** Who judges while the agent learns. */
export interface Arm {
  readonly name: string;
  readonly simulator: 'none' | 'given' | 'weak';
  /** Without one: the harness alone, or the simulator alone. */
  readonly policy?: HybridOptions['policy'];
}

/** An agent that converges writes few different kernels, and each counts once: so a few must be enough to decide. */
const watched: HybridOptions['policy'] = {
  buildFirst: true,
  escalate: { confidenceBelow: 0.8 },
  audit: { share: 0.3 },
  drift: { correctBelow: 0.8, window: 60, leastPairs: 8 },
};

export function armsOf(steps: number): Arm[] {
  const warmUp = { simulatedSteps: Math.round(0.3 * steps), ofSteps: steps };
  return [
    { name: 'real', simulator: 'none' },
    { name: 'simulated', simulator: 'given' },
    { name: 'hybrid, warm-up 30%', simulator: 'given', policy: { warmUp } },
    { name: 'hybrid, watched', simulator: 'given', policy: watched },
    { name: 'weak simulated', simulator: 'weak' },
    { name: 'weak hybrid, watched', simulator: 'weak', policy: watched },
  ];
}

/** Deliberately weak: sure that everything is well. A policy that asks only where it is unsure never asks it twice. */
export const optimist: Simulator = {
  engine: 'optimist',
  model: 'none',
  calibration: 'none',
  predict: async (_, { built } = {}) => {
    const probabilities = { compiled: built === true ? 1 : 0.97, correct: 0.95 };
    return { probabilities, runtimeMs: null, speedup: null, confidence: confidenceOf(probabilities) };
  },
  close: async () => {},
};

/** The arm's validator, and the milliseconds that its simulator has taken so far. */
export function openArm(
  arm: Arm,
  real: RecordedReal,
  given: Simulator,
): { readonly validator: Validator; readonly simulatedMs: () => number } {
  let spentMs = 0;
  const simulated = createSimulatedValidator({ simulator: arm.simulator === 'weak' ? optimist : given });
  const timed: SimulatedValidator = {
    ...simulated,
    predict: async (job, options) => {
      const predicted = await simulated.predict(job, options);
      spentMs += predicted.durationMs;
      return predicted;
    },
    validate: (job, options) => timed.predict(job, options?.signal === undefined ? {} : { signal: options.signal }),
    // The given simulator serves every arm.
    close: async () => {},
  };
  const validator =
    arm.policy !== undefined
      ? createHybridValidator({ real, simulated: timed, policy: arm.policy })
      : arm.simulator === 'none'
        ? real
        : timed;
  return { validator, simulatedMs: () => spentMs };
}

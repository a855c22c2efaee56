import { breaksBehaviour } from './breaks-behaviour.js';
import { breaksCompile } from './breaks-compile.js';
import { neutral } from './neutral.js';
import type { Operator } from './operator.js';
import { speed } from './speed.js';

/** Every operator there is, in the order of their intents. */
export const operators: readonly Operator[] = [
  ...breaksCompile.map((entry) => ({ ...entry, intent: 'breaks-compile' as const })),
  ...breaksBehaviour.map((entry) => ({ ...entry, intent: 'breaks-behaviour' as const })),
  ...neutral.map((entry) => ({ ...entry, intent: 'neutral' as const })),
  ...speed.map((entry) => ({ ...entry, intent: 'speed' as const })),
];

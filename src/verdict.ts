import { z } from 'zod';

/** One message of a compiler, linker, or of `load_inline`'s own rules, in the candidate's own lines. */
export const diagnosticSchema = z.object({
  tool: z.enum(['nvcc', 'g++', 'ld', 'ptxas', 'rules']),
  severity: z.enum(['error', 'warning']),
  file: z.string(),
  line: z.int().nullable(),
  column: z.int().nullable(),
  code: z.string().nullable(),
  message: z.string(),
});
export type Diagnostic = z.infer<typeof diagnosticSchema>;

const spreadSchema = z.object({
  median: z.number(),
  mean: z.number(),
  std: z.number(),
  min: z.number(),
  max: z.number(),
  samples: z.array(z.number()),
});

/** Times in milliseconds, full precision; `speedup` is reference median over candidate median. */
export const timingSchema = z.object({
  candidateMs: spreadSchema,
  referenceMs: spreadSchema,
  speedup: z.number(),
  clock: z.record(z.string(), z.json()),
});
export type Timing = z.infer<typeof timingSchema>;

/** What happened to a candidate. Closed: every consumer switches over `status` and the compiler checks that none is missing. */
export const outcomeSchema = z.discriminatedUnion('status', [
  z.object({
    status: z.literal('invalid'),
    reason: z.enum(['no-model', 'no-kernel', 'other-backend', 'python-error', 'not-python']),
    backend: z.string().nullable(),
    message: z.string(),
  }),
  z.object({
    status: z.literal('compile-error'),
    stage: z.enum(['rules', 'nvcc', 'g++', 'link']),
    message: z.string(),
    diagnostics: z.array(diagnosticSchema),
  }),
  z.object({ status: z.literal('load-error'), message: z.string(), undefinedSymbols: z.array(z.string()) }),
  z.object({
    status: z.literal('runtime-error'),
    phase: z.enum(['import', 'construct', 'forward']),
    error: z.string(),
    message: z.string(),
  }),
  z.object({
    status: z.literal('timeout'),
    phase: z.enum(['probe', 'build', 'load', 'construct', 'forward', 'time']),
    limitMs: z.number(),
  }),
  z.object({
    status: z.literal('mismatch'),
    how: z.enum(['shape', 'dtype', 'values', 'non-finite', 'nondeterministic', 'input-mutated']),
    message: z.string(),
    maxAbsError: z.number().nullable(),
    maxRelError: z.number().nullable(),
    trial: z.int(),
  }),
  z.object({ status: z.literal('rejected'), cheat: z.string(), evidence: z.string() }),
  z.object({
    status: z.literal('correct'),
    timing: timingSchema.nullable(),
    /** Null where an error has no finite size, as between equal infinities. */
    maxAbsError: z.number().nullable(),
    maxRelError: z.number().nullable(),
  }),
  z.object({ status: z.literal('built') }),
]);
export type Outcome = z.infer<typeof outcomeSchema>;
export type OutcomeStatus = Outcome['status'];

export const outcomeStatuses: readonly OutcomeStatus[] = outcomeSchema.options.map(
  (option) => option.shape.status.value,
);

const stepSchema = z.object({
  tool: z.string(),
  command: z.array(z.string()),
  exitCode: z.int().nullable(),
  durationMs: z.number(),
  stdout: z.string(),
  stderr: z.string(),
});

/** What `ptxas -v` says of one kernel, for one architecture, and what it is made of. */
export const kernelResourcesSchema = z.object({
  name: z.string(),
  arch: z.string(),
  registers: z.int().nullable(),
  sharedBytes: z.int().nullable(),
  constantBytes: z.int().nullable(),
  stackBytes: z.int().nullable(),
  spillStoreBytes: z.int().nullable(),
  spillLoadBytes: z.int().nullable(),
  /** Its PTX instructions by what they do; null where the library holds no PTX, or an older harness built it. */
  instructions: z.record(z.string(), z.int().nonnegative()).nullable().default(null),
});

export const extensionSchema = z.object({
  name: z.string(),
  path: z.enum(['fast', 'stock']),
  cached: z.boolean(),
  key: z.string(),
  durationMs: z.number(),
  /** Why the fast build passed it on, or null. */
  fallbackReason: z.string().nullable(),
  steps: z.array(stepSchema),
  kernels: z.array(kernelResourcesSchema),
  diagnostics: z.array(diagnosticSchema),
});

export const buildRecordSchema = z.object({
  durationMs: z.number(),
  probeMs: z.number(),
  extensions: z.array(extensionSchema),
  warnings: z.array(z.string()),
});
export type BuildRecord = z.infer<typeof buildRecordSchema>;

export const executionRecordSchema = z.object({
  durationMs: z.number(),
  trials: z.int(),
  launches: z.array(z.object({ name: z.string(), count: z.int(), own: z.boolean() })).nullable(),
  notes: z.array(z.string()),
});
export type ExecutionRecord = z.infer<typeof executionRecordSchema>;

/** Which instrument spoke: versions, device and times of a measurement. */
export const provenanceSchema = z.object({
  harness: z.string(),
  python: z.string(),
  torch: z.string().nullable(),
  cuda: z.string().nullable(),
  nvcc: z.string().nullable(),
  gxx: z.string().nullable(),
  device: z.string().nullable(),
  driver: z.string().nullable(),
  arch: z.string(),
  startedAt: z.iso.datetime(),
  durationMs: z.number(),
});
export type Provenance = z.infer<typeof provenanceSchema>;

export const fidelitySchema = z.enum(['predicted', 'built', 'emulated', 'measured']);

/** A device said so. Only these become labels. */
export const measuredSchema = z.object({
  kind: z.literal('measured'),
  fidelity: z.enum(['built', 'emulated', 'measured']),
  jobKey: z.string(),
  outcome: outcomeSchema,
  build: buildRecordSchema.nullable(),
  execution: executionRecordSchema.nullable(),
  provenance: provenanceSchema,
});
export type Measured = z.infer<typeof measuredSchema>;

const probability = z.number().min(0).max(1);

/** What a simulator tells apart: `load-error` counts as compile-error, `rejected` as mismatch. */
export const predictedOutcomes = ['invalid', 'compile-error', 'runtime-error', 'mismatch', 'correct'] as const;

/** A simulator said so. It carries probabilities instead of evidence, and has no place in the label store. */
export const predictedSchema = z.object({
  kind: z.literal('predicted'),
  /** `built` when the compile verdict underneath is real and only the rest is predicted. */
  fidelity: z.enum(['predicted', 'built']),
  jobKey: z.string(),
  /** Calibrated; `correct` is the joint probability of compiling, running and being right. Null: this simulator does not predict it. */
  probabilities: z.object({ compiled: probability, correct: probability.nullable() }),
  /** The same in full: chances of five outcomes, one in all; left out where the simulator tells only the two above. */
  outcomes: z.record(z.enum(predictedOutcomes), probability).optional(),
  /** Predicted runtime of a correct kernel in milliseconds, with an 80% interval; null where nothing was learned. */
  runtimeMs: z.object({ median: z.number(), low: z.number(), high: z.number() }).nullable(),
  speedup: z.number().nullable(),
  /** Probability of the less certain of the verdicts given: max(p, 1 - p), the smaller over compiled and correct; .5: unsure. */
  confidence: probability,
  simulator: z.object({ engine: z.string(), model: z.string(), calibration: z.string() }),
  durationMs: z.number(),
});
export type Predicted = z.infer<typeof predictedSchema>;

/** Over how many kernels two sides agreed, with Wilson's 95% interval. */
export const agreementSchema = z.object({
  pairs: z.int().nonnegative(),
  agreed: z.int().nonnegative(),
  low: probability,
  high: probability,
});
export type Agreement = z.infer<typeof agreementSchema>;

/** How well the simulator's word has stood up to the harness of late. Null: nothing to compare yet, or nobody asked. */
export const driftStateSchema = z.object({
  /** The agreement fell below its bound: until it has recovered, the harness answers everything. */
  escalating: z.boolean(),
  compiled: agreementSchema.nullable(),
  correct: agreementSchema.nullable(),
});
export type DriftState = z.infer<typeof driftStateSchema>;

/** How a hybrid came to its answer. */
export const decisionSchema = z.object({
  policy: z.array(z.string()),
  step: z.int().nullable(),
  reason: z.string(),
  /** The other side's answer, where both were asked. */
  audit: predictedSchema.nullable(),
  /** Where the policy watches for drift: what was known when this was decided. */
  drift: driftStateSchema.optional(),
});
export type Decision = z.infer<typeof decisionSchema>;

export type Verdict = (Measured | Predicted) & { readonly decision?: Decision };

/** Whether the kernel compiled, as far as an outcome can tell: null where it never came to compiling CUDA. */
export function compiledOf(outcome: Outcome): boolean | null {
  switch (outcome.status) {
    case 'compile-error':
    case 'load-error':
      return false;
    case 'timeout':
      return !(outcome.phase === 'probe' || outcome.phase === 'build' || outcome.phase === 'load');
    case 'invalid':
      return outcome.reason === 'python-error' || outcome.reason === 'not-python' || outcome.reason === 'no-model'
        ? false
        : null;
    case 'runtime-error':
      return outcome.phase !== 'import';
    case 'mismatch':
    case 'rejected':
    case 'correct':
    case 'built':
      return true;
  }
}

/** Whether the kernel is right: null where nothing was executed, so that nobody knows. */
export function correctOf(outcome: Outcome): boolean | null {
  switch (outcome.status) {
    case 'built':
      return null;
    case 'correct':
      return true;
    case 'invalid':
    case 'compile-error':
    case 'load-error':
    case 'runtime-error':
    case 'timeout':
    case 'mismatch':
    case 'rejected':
      return false;
  }
}

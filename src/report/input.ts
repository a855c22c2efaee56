import { z } from 'zod';
import { outcomeStatuses, predictedOutcomes } from '../verdict.js';

const probability = z.number().min(0).max(1);
const milliseconds = z.number().nonnegative();

/** One simulator's answer about one held-out kernel. */
const predictionSchema = z.object({
  /** The id of one of the report's simulators. */
  simulator: z.string(),
  compiled: probability,
  correct: probability.nullable(),
  /** That it is correct, told that it was built and what the build said; only where that was asked. */
  correctOnceBuilt: probability.nullable().optional(),
  /** Chances of five outcomes, from a simulator that tells them apart. */
  outcomes: z.record(z.enum(predictedOutcomes), probability).optional(),
  runtimeMs: z.object({ median: milliseconds, low: milliseconds, high: milliseconds }).nullable(),
  confidence: probability,
  durationMs: milliseconds,
});

/** One held-out kernel: what happened to it, and what was said of it before. */
const reportCaseSchema = z.object({
  candidateHash: z.string(),
  problemId: z.string(),
  level: z.int().nonnegative(),
  family: z.string().nullable(),
  generator: z.string(),
  /** The operator that made it of another candidate; null for an original. */
  mutation: z.string().nullable(),
  /** Characters of source text. */
  length: z.int().nonnegative(),
  truth: z.object({
    status: z.enum(outcomeStatuses).nullable(),
    compiled: z.boolean().nullable(),
    correct: z.boolean().nullable(),
    runtimeMs: milliseconds.nullable(),
    referenceRuntimeMs: milliseconds.nullable(),
    fidelity: z.enum(['built', 'emulated', 'measured', 'published']),
    /** How long the real validator took. */
    durationMs: milliseconds.nullable(),
  }),
  /** What the training split says of this problem (or of its level, where it does not know the problem). */
  prior: z.object({ compiled: probability.nullable(), correct: probability.nullable() }),
  predictions: z.array(predictionSchema),
  /** What compilers and rules said of it. */
  diagnostics: z.array(z.string()).optional(),
  /** The kernel's text, for those that turn out to be the worst errors. */
  source: z.string().optional(),
});

export const machineSchema = z.object({
  cpu: z.string(),
  cores: z.int().positive(),
  memoryGib: z.number().positive(),
  gpu: z.string().nullable(),
});
export type Machine = z.infer<typeof machineSchema>;

export const splitSchema = z.object({
  kind: z.enum(['problem', 'generator', 'random']),
  seed: z.int(),
  trainRows: z.int().nonnegative(),
  validationRows: z.int().nonnegative(),
  testRows: z.int().nonnegative(),
  datasetHash: z.string().nullable(),
});

export const simulatorSchema = z.object({
  id: z.string(),
  engine: z.string(),
  model: z.string(),
  calibration: z.string(),
  /** The id of the data set that it was trained on, or the beginning of it; null where nobody knows. */
  trainedOn: z.string().nullable(),
});

export const generatedBySchema = z.object({
  kval: z.string(),
  machine: machineSchema,
  commands: z.array(z.string()),
  /** When, in ISO 8601; left out, the same input gives the same bytes. */
  at: z.string().optional(),
});

/** All that a report needs, as plain data. The headline speaks of the first simulator. */
export const reportInputSchema = z.object({
  title: z.string(),
  split: splitSchema,
  /** Who made the labels: `harness`, `published`, or a description in words. */
  labels: z.string(),
  simulators: z.array(simulatorSchema),
  cases: z.array(reportCaseSchema),
  /** What most of the training split is. */
  majority: z.object({ compiled: z.boolean().nullable(), correct: z.boolean().nullable() }),
  generatedBy: generatedBySchema,
  notes: z.array(z.string()),
});
export type ReportInput = z.infer<typeof reportInputSchema>;
export type ReportCase = ReportInput['cases'][number];
export type Prediction = ReportCase['predictions'][number];

export function predictionOf(one: ReportCase, simulator: string): Prediction | undefined {
  return one.predictions.find((prediction) => prediction.simulator === simulator);
}

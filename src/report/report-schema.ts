import { z } from 'zod';
import { predictedOutcomes } from '../verdict.js';
import { generatedBySchema, simulatorSchema, splitSchema } from './input.js';

/** A figure with its 95% interval; the bounds are null where too little is there to give one. */
export const estimateSchema = z.object({ value: z.number(), low: z.number().nullable(), high: z.number().nullable() });
export type Estimate = z.infer<typeof estimateSchema>;

const scoresSchema = z.object({
  confusion: z.object({
    truePositives: z.int(),
    falsePositives: z.int(),
    falseNegatives: z.int(),
    trueNegatives: z.int(),
  }),
  /** Shares carry Wilson's interval, everything else one bootstrapped over problems. */
  accuracy: estimateSchema,
  precision: estimateSchema.nullable(),
  recall: estimateSchema.nullable(),
  f1: estimateSchema.nullable(),
  balancedAccuracy: estimateSchema.nullable(),
  auc: estimateSchema.nullable(),
  /** Null for a baseline that gives no probability. */
  brier: estimateSchema.nullable(),
  logLoss: estimateSchema.nullable(),
  expectedCalibrationError: estimateSchema.nullable(),
  /** Accuracy minus that of the majority guess on the same kernels. */
  overMajority: estimateSchema.nullable(),
});
export type Scores = z.infer<typeof scoresSchema>;

const frontierPointSchema = z.object({
  threshold: z.number(),
  realCalls: z.number(),
  disagreement: z.number(),
  taken: z.int(),
  wrong: z.int(),
});

const verdictRowSchema = z.object({
  kind: z.enum(['simulator', 'baseline']),
  id: z.string(),
  name: z.string(),
  /** Kernels with a known truth that this row says something about. */
  n: z.int(),
  scores: scoresSchema.nullable(),
  /** Why there are no scores. */
  reason: z.string().nullable(),
  reliability: z.array(
    z.object({
      low: z.number(),
      high: z.number(),
      n: z.int(),
      predicted: z.number().nullable(),
      observed: z.number().nullable(),
    }),
  ),
  roc: z.array(z.object({ falsePositiveRate: z.number(), truePositiveRate: z.number() })),
  /** What a hybrid would do, threshold by threshold; thinned for drawing. */
  frontier: z.array(frontierPointSchema),
  /** The fewest real calls that keep the wrong final verdicts at or below a share; null where every kernel needs one. */
  operating: z.array(z.object({ wrongAtMost: z.number(), point: frontierPointSchema.nullable() })),
});
export type VerdictRow = z.infer<typeof verdictRowSchema>;

export const dimensions = ['level', 'family', 'generator', 'mutation', 'length'] as const;
export type Dimension = (typeof dimensions)[number];

const groupSchema = z.object({
  name: z.string(),
  n: z.int(),
  problems: z.int(),
  positives: z.int(),
  /** Accuracy of the problem prior in this group. */
  priorAccuracy: z.number().nullable(),
  rows: z.array(
    z.object({
      simulator: z.string(),
      n: z.int(),
      accuracy: estimateSchema.nullable(),
      precision: z.number().nullable(),
      recall: z.number().nullable(),
      f1: z.number().nullable(),
      balancedAccuracy: z.number().nullable(),
      auc: z.number().nullable(),
      brier: z.number().nullable(),
    }),
  ),
});
export type Group = z.infer<typeof groupSchema>;

const verdictSectionSchema = z.object({
  target: z.enum(['compiled', 'correct']),
  positives: z.int(),
  negatives: z.int(),
  /** Kernels of which nobody knows. */
  unknown: z.int(),
  problems: z.int(),
  /** Null when there is something to measure; else why not, in words. */
  unmeasurable: z.string().nullable(),
  notes: z.array(z.string()),
  rows: z.array(verdictRowSchema),
  groups: z.record(z.enum(dimensions), z.array(groupSchema)),
});
export type VerdictSection = z.infer<typeof verdictSectionSchema>;

const outcomeSectionSchema = z.object({
  simulator: z.string(),
  /** Kernels whose outcome is one of the five. */
  n: z.int(),
  accuracy: estimateSchema,
  /** For each outcome that happened, how often each of `predictedOutcomes` was told. */
  rows: z.array(z.object({ truth: z.enum(predictedOutcomes), told: z.array(z.int()) })),
});
export type OutcomeSection = z.infer<typeof outcomeSectionSchema>;

const runtimeRowSchema = z.object({
  kind: z.enum(['simulator', 'baseline']),
  id: z.string(),
  name: z.string(),
  n: z.int(),
  reason: z.string().nullable(),
  meanAbsoluteErrorMs: estimateSchema.nullable(),
  medianAbsoluteErrorMs: estimateSchema.nullable(),
  medianAbsolutePercentageError: estimateSchema.nullable(),
  withinTwofold: estimateSchema.nullable(),
  /** Tau-b within each problem with at least two timed kernels, averaged with the number of pairs as weight. */
  kendallTau: z.object({ value: z.number(), problems: z.int(), pairs: z.int() }).nullable(),
  /** Share of measured runtimes inside the predicted 80% interval. */
  intervalCoverage: estimateSchema.nullable(),
  points: z.array(
    z.object({
      candidateHash: z.string(),
      problemId: z.string(),
      truthMs: z.number(),
      predictedMs: z.number(),
      lowMs: z.number(),
      highMs: z.number(),
    }),
  ),
});
export type RuntimeRow = z.infer<typeof runtimeRowSchema>;

const runtimeSectionSchema = z.object({
  timed: z.int(),
  problems: z.int(),
  unmeasurable: z.string().nullable(),
  notes: z.array(z.string()),
  /** Whether a runtime exists at all (the paper's `runtime == -1`): accuracy over the executed kernels. */
  presence: z.array(z.object({ id: z.string(), name: z.string(), n: z.int(), accuracy: estimateSchema })),
  rows: z.array(runtimeRowSchema),
});
export type RuntimeSection = z.infer<typeof runtimeSectionSchema>;

const durationSchema = z.object({
  n: z.int(),
  medianMs: z.number(),
  p90Ms: z.number(),
  totalMs: z.number(),
});
export type Duration = z.infer<typeof durationSchema>;

const timeSectionSchema = z.object({
  real: durationSchema.nullable(),
  reason: z.string().nullable(),
  simulators: z.array(
    z.object({
      id: z.string(),
      duration: durationSchema.nullable(),
      /** Median of the real validator over the simulator's median. */
      timesFaster: z.number().nullable(),
    }),
  ),
});
export type TimeSection = z.infer<typeof timeSectionSchema>;

const worstErrorSchema = z.object({
  simulator: z.string(),
  target: z.enum(['compiled', 'correct', 'runtime']),
  candidateHash: z.string(),
  problemId: z.string(),
  level: z.int(),
  family: z.string().nullable(),
  generator: z.string(),
  truth: z.string(),
  prediction: z.string(),
  /** How wrong: the probability given to the wrong answer, or the factor between the runtimes. */
  wrongness: z.number(),
  /** What compilers and rules said of it, the first of it. */
  diagnostics: z.array(z.string()),
  excerpt: z.object({ text: z.string(), firstLine: z.int(), lines: z.int(), ofLines: z.int() }).nullable(),
});
export type WorstError = z.infer<typeof worstErrorSchema>;

/** A comparison of predictions with measurements: the JSON form, and all that the renderers know. */
export const reportSchema = z.object({
  format: z.literal('kval-report'),
  version: z.literal(1),
  title: z.string(),
  /** The result in plain sentences, the most important first. */
  headline: z.array(z.string()),
  labels: z.string(),
  split: splitSchema,
  simulators: z.array(simulatorSchema),
  counts: z.object({
    kernels: z.int(),
    problems: z.int(),
    generators: z.int(),
    executed: z.int(),
    timed: z.int(),
    outcomes: z.array(z.object({ status: z.string(), n: z.int() })),
    fidelities: z.array(z.object({ fidelity: z.string(), n: z.int() })),
  }),
  compiled: verdictSectionSchema,
  correct: verdictSectionSchema,
  /** Empty where no simulator tells outcomes apart. */
  outcomes: z.array(outcomeSectionSchema),
  runtime: runtimeSectionSchema,
  time: timeSectionSchema,
  worst: z.array(worstErrorSchema),
  generatedBy: generatedBySchema,
  notes: z.array(z.string()),
});
export type Report = z.infer<typeof reportSchema>;

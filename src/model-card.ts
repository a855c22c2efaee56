import { z } from 'zod';

const share = z.number().min(0).max(1);

const headMetricsSchema = z.object({
  rows: z.int(),
  positives: z.int(),
  accuracy: share,
  precision: share,
  recall: share,
  f1: share,
  balancedAccuracy: share.nullable(),
  auc: share.nullable(),
  brier: share,
  majorityAccuracy: share,
  priorAccuracy: share,
});
export type HeadMetrics = z.infer<typeof headMetricsSchema>;

const runtimeMetricsSchema = z.object({
  rows: z.int(),
  medianAbsoluteErrorMs: z.number(),
  medianRelativeError: z.number(),
  withinTwofold: share,
  inInterval: share,
});
export type RuntimeMetrics = z.infer<typeof runtimeMetricsSchema>;

const metricsSchema = z.object({
  split: z.string(),
  compiled: headMetricsSchema.nullable(),
  correct: headMetricsSchema.nullable(),
  runtime: runtimeMetricsSchema.nullable(),
});
export type Metrics = z.infer<typeof metricsSchema>;

/** `metrics.json` of a model folder: what it is, what it was trained on, and how good it was on what it never saw. */
export const modelCardSchema = z.object({
  format: z.literal('kval-model-card'),
  engine: z.string(),
  model: z.string(),
  calibration: z.string(),
  kval: z.string(),
  command: z.string(),
  dataset: z.object({
    id: z.string(),
    split: z.string(),
    seed: z.int(),
    labels: z.string(),
    rows: z.object({ train: z.int(), validation: z.int(), test: z.int() }),
    sources: z.array(
      z.object({ labels: z.string(), fidelity: z.string(), set: z.string(), generator: z.string(), rows: z.int() }),
    ),
  }),
  heads: z.array(
    z.object({ name: z.string(), trained: z.boolean(), calibratedOn: z.string(), calibrationRows: z.int() }),
  ),
  bytes: z.int(),
  metrics: z.array(metricsSchema),
});
export type ModelCard = z.infer<typeof modelCardSchema>;

/** The model folder's `README.md`. */
export function renderModelCard(card: ModelCard): string {
  const { dataset } = card;
  const own = dataset.sources.every((one) => one.labels === 'harness');
  return `# ${card.engine === 'embedded' ? 'Embedded simulator' : 'Fine-tuned language model'} ${card.model}

Predicts, from the text of a CUDA kernel and of its KernelBench problem, what kval's harness would say of it. It is a ${
    card.engine === 'embedded'
      ? `small
model (${Math.ceil(card.bytes / 1024)} KiB: gradient-boosted and randomised trees over parsed features and hashed token counts) that runs inside the Node
process`
      : `language
model (${Math.ceil(card.bytes / 1024 ** 2)} MiB) that answers as the validator's tool would, served by an engine (\`kval simulator serve\`)`
  }. It compiles nothing and runs nothing, so it is a guess with a probability, never a measurement.

- calibration: \`${card.calibration}\`
- made by kval ${card.kval}: \`${card.command}\`
- trained on data set \`${dataset.id}\`: ${dataset.rows.train} rows (validation ${dataset.rows.validation}, test ${dataset.rows.test}), split by ${dataset.split}, seed ${dataset.seed}
- labels: ${own ? "all measured by kval's harness" : 'some or all of them published by others and not checked'}

| labels | fidelity | problems of | kernels by | rows |
|---|---|---|---|---|
${dataset.sources.map((one) => `| ${one.labels} | ${one.fidelity} | ${one.set} | ${one.generator} | ${one.rows} |`).join('\n')}

## What it predicts

${card.heads.map((head) => `- ${head.name}: ${head.trained ? calibrationText(head) : 'not there (too few labels, or no gain by it on held-out problems)'}`).join('\n')}

## How good it is

Majority always answers what most of the training split is; problem prior answers what most kernels of the same problem are
in the training split (of the same level, where the problem is not in it). Neither looks at the kernel.

${card.metrics.map(metricsText).join('\n\n')}

## Limits

- It knows the kinds of kernels, problems and generators listed above. On others it is less sure than it says.
- A kernel written to deceive it can: never let it be the last word on a large speed-up, and audit it with the harness.
- Figures on fewer than a few hundred rows move by several points from one seed to the next.
`;
}

function calibrationText(head: ModelCard['heads'][number]): string {
  if (head.name === 'runtime') return 'median and 80% interval, in milliseconds, of a correct kernel';
  const on = { validation: 'the validation split', 'out-of-fold': 'out-of-fold scores of the training split' };
  const basis =
    head.calibratedOn === 'validation' || head.calibratedOn === 'out-of-fold' ? on[head.calibratedOn] : null;
  return basis === null
    ? 'probability, not calibrated (too few rows)'
    : `probability, calibrated on ${head.calibrationRows} rows of ${basis}`;
}

function metricsText(metrics: Metrics): string {
  const heads: readonly (readonly [string, HeadMetrics | null])[] = [
    ['compiled', metrics.compiled],
    ['correct', metrics.correct],
  ];
  const rows = heads.flatMap(([name, head]) => (head === null ? [] : [headRow(name, head)]));
  const { runtime } = metrics;
  if (rows.length === 0) return `The ${metrics.split} split holds no rows to measure on.`;
  return `On the ${metrics.split} split:

| head | rows | positive | accuracy | majority | problem prior | precision | recall | F1 | balanced acc. | AUC | Brier |
|---|---|---|---|---|---|---|---|---|---|---|---|
${rows.join('\n')}${runtime === null ? '' : `\n\nRuntime, on ${runtime.rows} timed kernels: median error ${runtime.medianAbsoluteErrorMs.toPrecision(3)} ms (${percent(runtime.medianRelativeError)}), within twofold ${percent(runtime.withinTwofold)}, inside the 80% interval ${percent(runtime.inInterval)}.`}`;
}

function headRow(name: string, head: HeadMetrics): string {
  const figures = [
    head.accuracy,
    head.majorityAccuracy,
    head.priorAccuracy,
    head.precision,
    head.recall,
    head.f1,
    head.balancedAccuracy,
    head.auc,
    head.brier,
  ];
  return `| ${name} | ${head.rows} | ${head.positives} | ${figures.map((value) => value?.toFixed(3) ?? '-').join(' | ')} |`;
}

function percent(value: number): string {
  return `${(100 * value).toFixed(0)}%`;
}

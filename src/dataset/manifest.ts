import { z } from 'zod';
import { sha256 } from '../problem.js';

const count = z.int().nonnegative();

const splitCountsSchema = z.object({
  rows: count,
  /** Problems, generators or clusters, as the kind of split says. */
  units: count,
  problems: count,
  compiled: z.object({ yes: count, no: count }),
  correct: z.object({ yes: count, no: count, unknown: count }),
  withRuntime: count,
});
export type SplitCounts = z.infer<typeof splitCountsSchema>;

/** Examples that went in and rows that did not come out, by reason. */
export const filteredSchema = z.object({
  /** Not in the format of an example. */
  malformed: count,
  /** The label does not say whether it compiled (an instrument failed, or there was no CUDA to compile). */
  unknown: count,
  /** Labels of a kind that was not asked for. */
  otherLabels: count,
  /** Combinations that cannot be, such as correct but not compiled. */
  impossible: count,
  tooLong: count,
  /** A better label of the same kernel exists: ours before published, GPU before CPU, CPU before build. */
  superseded: count,
  /** Equal labels of the same kernel on the same device. */
  duplicates: count,
  /** Labels of the same kernel that contradict each other: all of them are left out. */
  contradicting: count,
  /** A near-duplicate stands in a later split. */
  nearDuplicates: count,
});
export type Filtered = z.infer<typeof filteredSchema>;

export const datasetSettingsSchema = z.object({
  labels: z.enum(['harness', 'published', 'any']),
  split: z.enum(['problem', 'generator', 'random']),
  seed: z.int(),
  shares: z.object({ validation: z.number().min(0).max(0.5), test: z.number().min(0).max(0.5) }),
  holdOut: z.array(z.string()),
  nearDuplicate: z.number().min(0).max(1),
  maxCharacters: z.int().positive(),
  gzip: z.boolean(),
  /** Malformed calls for each row of a split, in files of their own. */
  malformedShare: z.number().min(0).max(1),
});
export type DatasetSettings = z.infer<typeof datasetSettingsSchema>;

/** A sample of the labels, made again by the same validator from nothing. */
export const rerunSchema = z.object({
  asked: count,
  agreed: count,
  /** Other outcomes than at first; their kernels are left out of the set. */
  disagreed: z.array(z.object({ problem: z.string(), candidate: z.string(), first: z.string(), again: z.string() })),
  /** The instrument could not judge them a second time. */
  failed: count,
});
export type Rerun = z.infer<typeof rerunSchema>;

export const manifestSchema = z.object({
  format: z.literal('kval-dataset'),
  formatVersion: z.literal(1),
  /** Hash of everything below: the name of exactly this set. */
  id: z.string(),
  kval: z.string(),
  tool: z.string(),
  settings: datasetSettingsSchema,
  examples: count,
  filtered: filteredSchema,
  splits: z.object({ train: splitCountsSchema, validation: splitCountsSchema, test: splitCountsSchema }),
  /** Rows with malformed calls, by what is wrong with them. */
  malformedCalls: z.record(z.string(), count),
  /** Null where no label was made again. */
  rerun: rerunSchema.nullable(),
  sources: z.array(
    z.object({
      labels: z.enum(['harness', 'published']),
      fidelity: z.string(),
      set: z.string(),
      generator: z.string(),
      rows: count,
    }),
  ),
  files: z.array(z.object({ name: z.string(), sha256: z.string(), bytes: count, rows: count })),
});
export type Manifest = z.infer<typeof manifestSchema>;

export function sealManifest(content: Omit<Manifest, 'id' | 'format' | 'formatVersion'>): Manifest {
  const { kval, tool, settings, examples, filtered, splits, malformedCalls, rerun, sources, files } = content;
  const body = { kval, tool, settings, examples, filtered, splits, malformedCalls, rerun, sources, files };
  return { format: 'kval-dataset', formatVersion: 1, id: sha256(JSON.stringify(body)).slice(0, 16), ...body };
}

/** Whether the id fits the content, that is, whether nobody edited the manifest. */
export function isSealed(manifest: Manifest): boolean {
  return sealManifest(manifest).id === manifest.id;
}

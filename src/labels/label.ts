import { z } from 'zod';
import { type Candidate, candidateSchema, settingsSchema } from '../candidate.js';
import { problemSchema } from '../problem.js';
import { measuredSchema, type OutcomeStatus } from '../verdict.js';

/** A stored verdict of the real validator, with everything it is about. */
export const labelSchema = z.object({
  measured: measuredSchema,
  settings: settingsSchema,
  candidate: candidateSchema,
  problem: problemSchema,
  /** When it was stored, ISO 8601. */
  createdAt: z.iso.datetime(),
});
export type Label = z.infer<typeof labelSchema>;

/** One line of a list of labels: no sources, no logs. */
export interface LabelSummary {
  readonly jobKey: string;
  readonly problemId: string;
  readonly candidateHash: string;
  readonly generator: string;
  readonly source: string;
  readonly status: OutcomeStatus;
  readonly fidelity: 'built' | 'emulated' | 'measured';
  readonly createdAt: string;
}

/** A candidate where it was found: line of a file, and the kernel language that the place states. */
export interface Sighting {
  readonly candidate: Candidate;
  readonly line: number | null;
  readonly backend: string | null;
}

/** What somebody else said of a candidate. `kind` and `raw` are as the importer read them. */
export const publishedRecordSchema = z.object({
  compiled: z.boolean().nullable(),
  correct: z.boolean().nullable(),
  runtimeMs: z.number().nullable(),
  speedup: z.number().nullable(),
  gpu: z.string().nullable(),
  kind: z.string(),
  raw: z.json(),
});
export type PublishedRecord = z.infer<typeof publishedRecordSchema>;

export interface Published extends Sighting {
  readonly published: PublishedRecord;
}

/** Which labels or candidates are meant; what is left out does not restrict. */
export interface Filter {
  readonly jobKey?: string;
  readonly problemId?: string;
  readonly set?: string;
  readonly level?: number;
  /** A candidate hash, or the beginning of one. */
  readonly candidate?: string;
  readonly statuses?: readonly OutcomeStatus[];
  readonly fidelity?: 'built' | 'emulated' | 'measured';
  readonly generator?: string;
  /** The publication or folder that the candidate was read from. */
  readonly source?: string;
  readonly limit?: number;
}

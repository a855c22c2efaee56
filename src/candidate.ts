import { z } from 'zod';
import { KvalError } from './errors.js';
import { normaliseText, type Problem, sha256 } from './problem.js';

export const languageSchema = z.enum(['python', 'cuda']);
export type Language = z.infer<typeof languageSchema>;

/** Where a candidate came from. `generator` names the model or the person; `parent` and `mutation` are set for mutants. */
export const originSchema = z.object({
  generator: z.string(),
  run: z.string(),
  sample: z.int().nonnegative(),
  /** The publication or folder it was read from. */
  source: z.string(),
  parent: z.string().nullable(),
  mutation: z.string().nullable(),
});
export type Origin = z.infer<typeof originSchema>;

/** A proposed kernel for a problem: a Python file with `ModelNew`, or a bare `.cu` with `PYBIND11_MODULE`. */
export const candidateSchema = z.object({
  /** SHA-256 over language and text. */
  hash: z.string(),
  language: languageSchema,
  source: z.string(),
  problemId: z.string(),
  origin: originSchema,
});
export type Candidate = z.infer<typeof candidateSchema>;

/** The largest candidate that is taken, in bytes of UTF-8: far above any real kernel, far below what hurts. */
export const candidateSizeLimit = 1_000_000;

export function makeCandidate(parts: {
  source: string;
  language?: Language;
  problemId: string;
  origin?: Partial<Origin>;
}): Candidate {
  const bytes = Buffer.byteLength(parts.source, 'utf8');
  if (bytes > candidateSizeLimit) {
    throw new KvalError('bad-input', `the candidate has ${bytes} bytes; the limit is ${candidateSizeLimit}`, {
      fix: 'Send the kernel source alone, without data or logs.',
    });
  }
  if (parts.source.trim() === '') throw new KvalError('bad-input', 'the candidate is empty');
  if (parts.source.includes('\0'))
    throw new KvalError('bad-input', 'the candidate is not text (it contains NUL bytes)');
  const source = normaliseText(parts.source);
  const language = parts.language ?? 'python';
  return {
    hash: sha256(language, source),
    language,
    source,
    problemId: parts.problemId,
    origin: {
      generator: 'unknown',
      run: '',
      sample: 0,
      source: '',
      parent: null,
      mutation: null,
      ...parts.origin,
    },
  };
}

export const precisionSchema = z.enum(['fp32', 'fp16', 'bf16']);
export const buildPathSchema = z.enum(['auto', 'fast', 'stock']);

/** How a candidate is to be judged. Everything here that can change an outcome is part of the label's key. */
export const settingsSchema = z.object({
  /** `cuda`: execute on a GPU; `cpu`: execute on CUDA in software, without timing; `none`: build only. */
  device: z.enum(['cuda', 'cpu', 'none']).default('none'),
  arch: z.string().default('sm_90'),
  /** Use the problem's small size. */
  small: z.boolean().default(false),
  precision: precisionSchema.default('fp32'),
  trials: z.int().positive().default(5),
  timingTrials: z.int().nonnegative().default(100),
  buildPath: buildPathSchema.default('auto'),
  buildTimeoutMs: z.number().positive().default(600_000),
  executeTimeoutMs: z.number().positive().default(180_000),
  compat: z.enum(['kval', 'kernelbench']).default('kval'),
});
export type Settings = z.infer<typeof settingsSchema>;

export interface Job {
  readonly problem: Problem;
  readonly candidate: Candidate;
  readonly settings: Settings;
}

/** One key for everything that decides a verdict: equal keys mean that nothing new can be learned by asking again. */
export function jobKey(job: Job): string {
  const { device, arch, small, precision, compat } = job.settings;
  return sha256(
    job.candidate.hash,
    job.problem.id,
    job.problem.sourceHash,
    JSON.stringify(device === 'none' ? { device, arch } : { device, arch, small, precision, compat }),
  );
}

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { KvalError } from './errors.js';

/**
 * A KernelBench task: a Python file with `Model`, `get_inputs` and `get_init_inputs`.
 *
 * The id is `level1/19` for the official set, and `<set>/level1/19` for every other set (`starter`, `cuda-l1`, ...).
 * Two versions of one problem (other sizes, other text) share the id and differ in `sourceHash`.
 */
export const problemSchema = z.object({
  id: z.string().regex(/^([a-z0-9][a-z0-9._-]*\/)?level\d+\/\d+$/),
  set: z.string(),
  level: z.int().nonnegative(),
  number: z.int().nonnegative(),
  name: z.string(),
  source: z.string(),
  /** SHA-256 of the source text, newlines normalised. */
  sourceHash: z.string(),
  /** SHA-256 of the shapes and dtypes of inputs and parameters; null until the harness has looked at the problem. */
  shapeHash: z.string().nullable(),
  /** Whether the file offers a small size (`SMALL`). */
  hasSmall: z.boolean(),
});
export type Problem = z.infer<typeof problemSchema>;

export const officialSet = 'kernelbench';

export function problemId(set: string, level: number, number: number): string {
  return set === officialSet ? `level${level}/${number}` : `${set}/level${level}/${number}`;
}

/** Reads `level1/19`, `starter/level2/3`, or KernelBench's `1_19` into its parts. */
export function parseProblemId(id: string): { set: string; level: number; number: number } {
  const match = /^(?:(?<set>[a-z0-9][a-z0-9._-]*)\/)?(?:level)?(?<level>\d+)[/_](?<number>\d+)$/.exec(id.trim());
  const { set, level, number } = match?.groups ?? {};
  if (level === undefined || number === undefined) {
    throw new KvalError('usage', `"${id}" is not a problem id; it looks like level1/19 or starter/level2/3`);
  }
  return { set: set ?? officialSet, level: Number(level), number: Number(number) };
}

export function makeProblem(parts: {
  set: string;
  level: number;
  number: number;
  name: string;
  source: string;
}): Problem {
  const source = normaliseText(parts.source);
  return {
    id: problemId(parts.set, parts.level, parts.number),
    set: parts.set,
    level: parts.level,
    number: parts.number,
    name: parts.name,
    source,
    sourceHash: sha256(source),
    shapeHash: null,
    hasSmall: /^SMALL\s*(?::[^=]*)?=/m.test(source),
  };
}

/** Newlines as `\n`, no byte order mark, one newline at the end: what is hashed is what is run. */
export function normaliseText(text: string): string {
  const plain = text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n');
  return plain.endsWith('\n') ? plain : `${plain}\n`;
}

export function sha256(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
}

import { z } from 'zod';
import { KvalError } from '../../errors.js';

/** Which problem a kernel is for. */
export type Named = { readonly problem_id: string } | { readonly reference: string };

const labelSchema = z.union([
  z.object({ problem_id: z.union([z.string(), z.number()]).transform(String) }),
  z.object({ reference: z.string() }),
]);

/**
 * The problem that a data set's label names: an id (`level1/19`, `1_19`), the reference's source, or either as
 * `problem_id` or `reference` of an object, which may be written as JSON. Anything else throws `bad-input`.
 */
export function problemNamedBy(label: unknown): Named {
  const read = typeof label === 'string' ? readText(label.trim()) : label;
  if (typeof read === 'string') return /\bclass\s+Model\b/.test(read) ? { reference: read } : { problem_id: read };
  const parsed = labelSchema.safeParse(read);
  if (parsed.success) return parsed.data;
  throw new KvalError('bad-input', 'the label names no problem', {
    fix: 'Give a problem id such as level1/19 as the label, or JSON with problem_id or reference.',
  });
}

function readText(text: string): unknown {
  if (!text.startsWith('{')) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

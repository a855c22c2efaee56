import type { z } from 'zod';
import { KvalError } from '../src/errors.js';
import { readRows } from '../src/import/rows.js';

/** The rows of a file of JSON Lines that a benchmark wrote. Throws a `KvalError` that names the first that is none. */
export async function readResultRows<T>(path: string, schema: z.ZodType<T>, fix: string): Promise<T[]> {
  const found: T[] = [];
  for await (const row of readRows(path, 'jsonl')) {
    const parsed = 'row' in row ? schema.safeParse(row.row) : null;
    if (parsed?.success !== true)
      throw new KvalError('bad-input', `${path}, line ${row.line}: not such a row`, { fix });
    found.push(parsed.data);
  }
  return found;
}

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { KvalError } from '../../errors.js';

/** How long each problem's reference takes on somebody's GPU. */
export interface Baseline {
  /** Mean milliseconds; null where the file does not hold the problem. */
  readonly referenceMs: (level: number, number: number) => number | null;
  /** The GPUs it was measured on, as the file names them. */
  readonly hardware: readonly string[];
}

/** KernelBench's `results/timing/<hardware>/<baseline>.json`: level, then the problem's file name, then its times. */
const baselineSchema = z.record(
  z.string().regex(/^level\d+$/),
  z.record(z.string().regex(/^\d+_/), z.object({ mean: z.number().positive(), hardware: z.string().optional() })),
);

/** @throws KvalError `bad-input` where the file cannot be read or is no baseline. */
export async function readBaseline(path: string): Promise<Baseline> {
  const fix = 'Name a file such as results/timing/H100_Modal/baseline_time_torch.json of KernelBench.';
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new KvalError('bad-input', `cannot read the baseline ${path}`, { cause, fix });
  });
  const parsed = baselineSchema.safeParse(jsonOf(text));
  if (!parsed.success)
    throw new KvalError('bad-input', `${path} is no baseline: ${z.prettifyError(parsed.error)}`, { fix });
  const times = new Map<string, number>();
  const hardware = new Set<string>();
  for (const [level, problems] of Object.entries(parsed.data)) {
    for (const [name, { mean, hardware: gpu }] of Object.entries(problems)) {
      times.set(`${level}/${Number.parseInt(name, 10)}`, mean);
      if (gpu !== undefined) hardware.add(gpu);
    }
  }
  return { referenceMs: (level, number) => times.get(`level${level}/${number}`) ?? null, hardware: [...hardware] };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

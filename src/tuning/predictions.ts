import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { KvalError } from '../errors.js';
import type { HeldOut } from '../report/held-out.js';
import type { JudgedKernel } from './frontier.js';

/** What a simulator said of labelled kernels that it had not learned from, under one kind of split. */
export interface LabelledPredictions {
  readonly split: 'problem' | 'generator' | 'random';
  readonly kernels: readonly JudgedKernel[];
  /** Kernels of which the labels or the simulator do not say whether they compile, or are correct. */
  readonly leftOut: number;
}

/** A line of a predictions file; what else a line says (the fold, say) is not needed here. */
const rowSchema = z.object({
  candidate: z.string(),
  problem: z.string(),
  generator: z.string(),
  split: z.enum(['problem', 'generator', 'random']),
  compiled: z.boolean().nullable(),
  correct: z.boolean().nullable(),
  pCompiled: z.number().min(0).max(1),
  pCorrect: z.number().min(0).max(1).nullable(),
  pCorrectOnceBuilt: z.number().min(0).max(1).nullable().default(null),
});
type Row = z.infer<typeof rowSchema>;

/** Reads JSON Lines of predictions beside labels, one list for each kind of split that is in the file. */
export async function readPredictions(path: string, signal?: AbortSignal): Promise<LabelledPredictions[]> {
  const rows: Row[] = [];
  let number = 0;
  try {
    const input = createReadStream(path, signal === undefined ? {} : { signal });
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      number += 1;
      if (line.trim() !== '') rows.push(rowSchema.parse(JSON.parse(line)));
    }
  } catch (cause) {
    signal?.throwIfAborted();
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause);
    throw new KvalError('bad-input', `${path}, line ${number}: ${reason}`, {
      cause,
      fix: 'Each line needs candidate, problem, generator, split, compiled, correct, pCompiled and pCorrect.',
    });
  }
  const splits = [...new Set(rows.map(({ split }) => split))];
  return splits.map((split) =>
    labelled(
      split,
      rows.filter((row) => row.split === split),
    ),
  );
}

/** The same of the test split of a data set, as the first simulator judged it. */
export function predictionsOf({ split, cases }: HeldOut): LabelledPredictions {
  return labelled(
    split.kind,
    cases.map(({ problemId, truth, predictions: [said] }) => ({
      problem: problemId,
      compiled: truth.compiled,
      correct: truth.correct,
      pCompiled: said?.compiled ?? 0.5,
      pCorrect: said?.correct ?? null,
      pCorrectOnceBuilt: said?.correctOnceBuilt ?? null,
    })),
  );
}

type Unsifted = Pick<Row, 'problem' | 'compiled' | 'correct' | 'pCompiled' | 'pCorrect' | 'pCorrectOnceBuilt'>;

/** A kernel that does not compile is not correct, whether or not the label says so. */
function labelled(split: LabelledPredictions['split'], rows: readonly Unsifted[]): LabelledPredictions {
  const kernels = rows.flatMap(
    ({ problem, compiled, correct, pCompiled, pCorrect, pCorrectOnceBuilt }): JudgedKernel[] => {
      const right = compiled === false ? false : correct;
      if (compiled === null || right === null || pCorrect === null) return [];
      return [{ problem, compiled, correct: right, pCompiled, pCorrect, pCorrectOnceBuilt }];
    },
  );
  return { split, kernels, leftOut: rows.length - kernels.length };
}

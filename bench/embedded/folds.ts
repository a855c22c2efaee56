import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { z } from 'zod';
import { KvalError } from '../../src/errors.js';
import { writeFeatures } from '../../src/tuning/feature-file.js';
import { headScoresSchema } from '../../src/tuning/fit-embedded.js';
import { readResultRows } from '../rows.js';
import type { CorpusRow } from './rows.js';

export const splits = ['problem', 'generator'] as const;

const saidSchema = z.object({ scores: z.array(z.number()), heldOut: headScoresSchema });
const spreadSchema = z.tuple([z.number(), z.number(), z.number()]);

/** What models trained on a fold's `learned` rows say of its `test` rows; rows are named by their place. */
const foldSchema = z.object({
  split: z.enum(splits),
  fold: z.string(),
  test: z.array(z.int()),
  learned: z.array(z.int()),
  /** Log-odds, not calibrated; natural logarithms of milliseconds as low, median and high quantile. */
  heads: z.object({
    compiled: saidSchema,
    correct: saidSchema,
    /** Null, too, for each kernel whose build is not at hand. */
    correctOnceBuilt: saidSchema.extend({ scores: z.array(z.number().nullable()) }).nullable(),
    ran: saidSchema,
    logRuntimeMs: z.array(spreadSchema).nullable(),
  }),
  /** Whether a model that is trained on this fold keeps the head that is told what the build said. */
  gainsByBuild: z.boolean(),
  /** The rows of the other folds' kernels with a published speed-up, and its logarithm's quantiles. */
  speedup: z.object({ rows: z.array(z.int()), logs: z.array(spreadSchema) }).nullable(),
  /** Probabilities of the TF-IDF baseline. */
  tfidf: z.object({ compiled: z.array(z.number()), correct: z.array(z.number()) }),
});
export type Fold = z.infer<typeof foldSchema>;

/** Trains one model a fold in `embedded.py`, on features computed where they are computed for use, too. */
export async function trainFolds(
  rows: readonly CorpusRow[],
  home: string,
  options: {
    readonly root: string;
    readonly python: string;
    readonly environment: Readonly<Record<string, string>>;
    readonly seed: number;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { matrix, described, scores } = filesIn(home);
  await writeFeatures(rows, 'corpora', matrix);
  const lines = rows.map(({ text, unit, generator, split }) =>
    JSON.stringify({ problem: unit, generator, judged: split === 'test', code: text.candidate }),
  );
  await writeFile(described, `${lines.join('\n')}\n`);
  const files = ['--matrix', matrix, '--rows', described, '--out', scores];
  const program = join(options.root, 'bench', 'embedded.py');
  const ended = await execa(options.python, [program, ...files, '--seed', String(options.seed)], {
    env: options.environment,
    extendEnv: false,
    stdio: 'inherit',
    reject: false,
    cancelSignal: options.signal,
  });
  options.signal.throwIfAborted();
  if (ended.failed) {
    throw new KvalError('instrument', `the folds were not trained: ${ended.shortMessage}`, {
      fix: 'Mend what Python says above and run the command again.',
    });
  }
}

/** What the last training in `home` left. */
export function readFolds(home: string): Promise<Fold[]> {
  return readResultRows(filesIn(home).scores, foldSchema, retrain);
}

/** What `retrain` mends: rows that were not there when the folds were trained. */
export function at<T>(values: readonly T[], place: number): T {
  const value = values[place];
  if (value === undefined) throw new KvalError('bad-input', 'the folds were trained on other rows', { fix: retrain });
  return value;
}

const retrain = 'Run the command without --report-only, which trains the folds again.';

function filesIn(home: string): { readonly matrix: string; readonly described: string; readonly scores: string } {
  return {
    matrix: join(home, 'features.bin'),
    described: join(home, 'rows.jsonl'),
    scores: join(home, 'scores.jsonl'),
  };
}

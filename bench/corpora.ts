import { join } from 'node:path';
import { z } from 'zod';
import type { Config } from '../src/config.js';
import { KvalError } from '../src/errors.js';
import { type ImportedCandidate, readCandidates } from '../src/import/candidates.js';
import { readProblems } from '../src/import/problems.js';
import type { Problem } from '../src/problem.js';
import { buildFactsSchema } from '../src/simulator/build-features.js';
import { readResultRows } from './rows.js';

export type Corpus = 'techno' | 'hzeng' | 'cuda-l1';

/** Other people's kernels and their problems, and what kval's own builds of them came to. */
export interface Corpora {
  /** The official problems, by id. */
  readonly problems: ReadonlyMap<string, Problem>;
  /** By the candidate's hash. */
  readonly builds: ReadonlyMap<string, Build>;
  candidates(corpus: Corpus): Promise<readonly ImportedCandidate[]>;
}

const buildSchema = buildFactsSchema.partial().extend({
  candidate: z.string(),
  built: z.boolean().nullable(),
  ms: z.number(),
});
export type Build = z.infer<typeof buildSchema>;

/** Opens them where somebody has them: `KVAL_CORPORA`, else `../shared/corpora`. */
export async function openCorpora({ corporaFolder: folder, root }: Config): Promise<Corpora> {
  if (folder === null) {
    throw new KvalError('bad-input', 'no corpora', {
      fix: 'Set KVAL_CORPORA to the folder that holds candidates-*.jsonl.',
    });
  }
  const { items: problems } = await readProblems(join(folder, 'kernelbench-problems.jsonl'));
  const path = join(root, 'bench', 'results', 'embedded-builds.jsonl');
  const builds = await readResultRows(path, buildSchema, 'Make it anew with bench/embedded_builds.py.');
  return {
    problems: new Map(problems.map((one) => [one.id, one])),
    builds: new Map(builds.map((one) => [one.candidate, one])),
    candidates: async (corpus) => (await readCandidates(join(folder, `candidates-${corpus}.jsonl`))).items,
  };
}

import { z } from 'zod';
import { problemUnit } from '../../src/dataset/split.js';
import type { ImportedCandidate } from '../../src/import/candidates.js';
import type { PublishedKind } from '../../src/import/published.js';
import type { Problem } from '../../src/problem.js';
import type { LabelledText } from '../../src/tuning/feature-file.js';
import type { Corpora, Corpus } from '../corpora.js';

/** A published kernel, or one of the speed-ups published of it; `split: 'test'` marks rows that are judged. */
export interface CorpusRow extends LabelledText {
  /** Its hash. */
  readonly candidate: string;
  readonly corpus: Corpus;
  readonly generator: string;
  readonly level: number;
  /** What kval's own build came to; null where there was none, or where the fast build declined. */
  readonly built: boolean | null;
  /** `compiled` is what kval's build said, since nobody published it. */
  readonly ownLabel: boolean;
}

/** What a label means here is said in models/embedded/README.md. */
export async function corpusRows(corpora: Corpora): Promise<CorpusRow[]> {
  const rows: CorpusRow[] = [];
  const seen = new Set<string>();
  for (const corpus of ['techno', 'hzeng', 'cuda-l1'] as const) {
    for (const one of await corpora.candidates(corpus)) {
      const { candidate, backend, hasCudaKernel } = one;
      const problem = one.problem ?? corpora.problems.get(candidate.problemId);
      const cuda = (backend === null || backend === 'cuda') && hasCudaKernel !== false;
      if (problem === undefined || !cuda || seen.has(candidate.hash)) continue;
      seen.add(candidate.hash);
      const row = rowOf(one, problem, corpus, corpora.builds.get(candidate.hash)?.built ?? null);
      rows.push(row);
      if (corpus === 'cuda-l1') rows.push(...speedupRows(row, one.published));
    }
  }
  return rows;
}

const judgedKinds: ReadonlySet<PublishedKind | undefined> = new Set<PublishedKind>([
  'correct',
  'mismatch',
  'compile-error',
  'runtime-error',
  'cuda-fault',
]);

function rowOf(
  { candidate, published }: ImportedCandidate,
  problem: Problem,
  corpus: Corpus,
  built: boolean | null,
): CorpusRow {
  const judged = judgedKinds.has(published?.kind);
  const compiled = published?.compiled ?? null;
  return {
    candidate: candidate.hash,
    corpus,
    generator: candidate.origin.generator,
    level: problem.level,
    built,
    ownLabel: !judged && compiled === null && built !== null,
    speedup: null,
    split: judged ? 'test' : 'train',
    unit: problemUnit(problem.id),
    compiled: published?.kind === 'cuda-fault' ? null : judged ? compiled : (compiled ?? built),
    correct: judged ? (published?.correct ?? null) : null,
    runtimeMs: published?.correct === true ? published.runtimeMs : null,
    text: {
      problem: problem.source,
      level: problem.level,
      candidate: candidate.source,
      language: candidate.language,
      device: published?.gpu ?? null,
      referenceRuntimeMs: null,
    },
  };
}

const speedupsSchema = z.object({ speedup: z.record(z.string(), z.json()) });

/** One row for each GPU that CUDA-L1 gives a speed-up for; they teach nothing else, since that kernel has its row. */
function speedupRows(row: CorpusRow, published: ImportedCandidate['published']): CorpusRow[] {
  const raw = speedupsSchema.safeParse(published?.raw);
  return Object.entries(raw.data?.speedup ?? {}).flatMap(([device, speedup]) =>
    typeof speedup === 'number' && speedup > 0
      ? [{ ...row, compiled: null, built: null, speedup, text: { ...row.text, device } }]
      : [],
  );
}

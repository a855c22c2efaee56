import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Config } from '../../src/config.js';
import { examplesOf } from '../../src/dataset/examples.js';
import { withoutExpectation } from '../../src/dataset/row.js';
import { problemUnit } from '../../src/dataset/split.js';
import { type ImportedCandidate, readCandidates } from '../../src/import/candidates.js';
import { readProblems } from '../../src/import/problems.js';
import type { PublishedKind } from '../../src/import/published.js';
import { importLabels } from '../../src/labels/exchange.js';
import { LabelStore } from '../../src/labels/store.js';
import type { Problem } from '../../src/problem.js';
import { failureOf, type LabelledText } from '../../src/tuning/feature-file.js';
import type { Build, Corpora, Corpus } from '../corpora.js';

/** A published kernel, or one of the speed-ups published of it; `split: 'test'` marks rows that are judged. */
export interface CorpusRow extends LabelledText {
  /** Its hash. */
  readonly candidate: string;
  readonly corpus: Corpus | 'own';
  readonly generator: string;
  readonly level: number;
  /** What kval's own build came to; null where there was none, or where the fast build declined. */
  readonly built: boolean | null;
  /** `compiled` is what kval's build said, since nobody published it. */
  readonly ownLabel: boolean;
}

/** What a label means here is said in models/embedded/README.md. */
export async function corpusRows(corpora: Corpora, config: Config): Promise<CorpusRow[]> {
  const rows: CorpusRow[] = [];
  const seen = new Set<string>();
  for (const corpus of ['techno', 'hzeng', 'cuda-l1'] as const) {
    for (const one of await corpora.candidates(corpus)) {
      const { candidate, backend, hasCudaKernel } = one;
      const problem = one.problem ?? corpora.problems.get(candidate.problemId);
      const cuda = (backend === null || backend === 'cuda') && hasCudaKernel !== false;
      if (problem === undefined || !cuda || seen.has(candidate.hash)) continue;
      seen.add(candidate.hash);
      const row = rowOf(one, problem, corpus, corpora.builds.get(candidate.hash));
      rows.push(row);
      if (corpus === 'cuda-l1') rows.push(...speedupRows(row, one.published));
    }
  }
  const judged = rows.filter((row) => row.split === 'test').length;
  return [...rows, ...(await ownRows(config, judged))];
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
  build: Build | undefined,
): CorpusRow {
  const judged = judgedKinds.has(published?.kind);
  const compiled = published?.compiled ?? null;
  const built = build?.built ?? null;
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
    invalid: null,
    ran: ranOf(published?.kind),
    runtimeMs: published?.correct === true ? published.runtimeMs : null,
    text: {
      problem: problem.source,
      level: problem.level,
      candidate: candidate.source,
      language: candidate.language,
      device: published?.gpu ?? null,
      referenceRuntimeMs: null,
    },
    build: build?.kernels === undefined ? null : { kernels: build.kernels, warnings: build.warnings ?? {} },
  };
}

/** KernelBench calls what is no kernel and what does not compile by one name, so nothing is known of `invalid`. */
function ranOf(kind: PublishedKind | undefined): boolean | null {
  if (kind === 'mismatch') return true;
  return kind === 'runtime-error' || kind === 'cuda-fault' ? false : null;
}

const speedupsSchema = z.object({ speedup: z.record(z.string(), z.json()) });

/** One row for each GPU that CUDA-L1 gives a speed-up for; they teach nothing else, since that kernel has its row. */
function speedupRows(row: CorpusRow, published: ImportedCandidate['published']): CorpusRow[] {
  const raw = speedupsSchema.safeParse(published?.raw);
  return Object.entries(raw.data?.speedup ?? {}).flatMap(([device, speedup]) =>
    typeof speedup === 'number' && speedup > 0
      ? [{ ...row, compiled: null, ran: null, built: null, speedup, text: { ...row.text, device } }]
      : [],
  );
}

/**
 * Our own labelled kernels, as they ship: learned from, never judged. No more of them, by hash, than `most`, so that they do
 * not drown the others. Samples and their mutants are left to the tests.
 */
async function ownRows(
  { root, home, starterFolder, starterCandidatesFolder }: Config,
  most: number,
): Promise<CorpusRow[]> {
  const rows: CorpusRow[] = [];
  const { items: problems } = await readProblems(starterFolder);
  const { items } = await readCandidates(starterCandidatesFolder, { format: 'files', set: 'starter', problems });
  const samples = new Set(items.map(({ candidate }) => candidate.hash));
  if (samples.size === 0) throw new Error('the samples that must not teach were not found');
  const datasetsFolder = join(root, 'datasets');
  const path = join(home, 'embedded', 'own.db');
  await rm(path, { force: true });
  const store = LabelStore.open(path);
  try {
    for (const set of await readdir(datasetsFolder, { withFileTypes: true })) {
      if (set.isDirectory()) await importLabels(store, join(datasetsFolder, set.name, 'labels.jsonl.gz'));
    }
    for (const { problem, candidate, label } of examplesOf(store, 'harness')) {
      if (samples.has(candidate.hash) || samples.has(candidate.parent ?? '')) continue;
      rows.push({
        candidate: candidate.hash,
        corpus: 'own',
        generator: candidate.generator,
        level: problem.level,
        built: null,
        ownLabel: true,
        speedup: null,
        split: 'train',
        unit: problem.id,
        compiled: label.compiled,
        // Mutants of a few families say little of other people's kernels: see models/embedded-notes.md.
        correct: null,
        ...failureOf(label.status),
        runtimeMs: null,
        text: {
          problem: problem.source,
          level: problem.level,
          candidate: withoutExpectation(candidate.source),
          language: candidate.language,
          device: null,
          referenceRuntimeMs: null,
        },
        build: label.build,
      });
    }
  } finally {
    store.close();
    await rm(path, { force: true });
  }
  return rows.sort((a, b) => (a.candidate < b.candidate ? -1 : 1)).slice(0, most);
}

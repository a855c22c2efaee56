import { join } from 'node:path';
import { dir } from 'tmp-promise';
import { describe, expect, it } from 'vitest';
import { childEnvironment, readConfig } from '../../src/config.js';
import { buildDataset } from '../../src/dataset/build.js';
import type { LabelledExample } from '../../src/dataset/row.js';
import { readCandidates } from '../../src/import/candidates.js';
import { readProblems } from '../../src/import/problems.js';
import { trainEmbedded } from '../../src/tuning/embedded.js';

const config = readConfig();
const { corporaFolder } = config;

describe.skipIf(corporaFolder === null)('on published kernels (skipped where the corpora are absent)', () => {
  it('predicts what compiles on problems that it never saw', async () => {
    const folder = corporaFolder ?? '';
    const problems = new Map(
      (await readProblems(join(folder, 'kernelbench-problems.jsonl'))).items.map((one) => [one.id, one]),
    );
    const examples: LabelledExample[] = [];
    for (const { candidate, published } of (await readCandidates(join(folder, 'candidates-techno.jsonl'))).items) {
      const problem = problems.get(candidate.problemId);
      if (problem === undefined || published === null) continue;
      const { id, set, level, sourceHash, source, name } = problem;
      const known = published.kind !== 'cuda-fault';
      examples.push({
        problem: { id, set, level, sourceHash, source, name },
        candidate: { ...candidate, generator: candidate.origin.generator, run: candidate.origin.run },
        label: {
          source: 'published',
          fidelity: 'published',
          status: null,
          compiled: known ? published.compiled : null,
          correct: published.correct,
          runtimeMs: published.correct === true ? published.runtimeMs : null,
          device: published.gpu,
          referenceRuntimeMs: null,
          diagnostics: [],
          build: null,
        },
      });
    }
    const { path, cleanup } = await dir({ unsafeCleanup: true });
    try {
      const manifest = await buildDataset(examples, { kvalVersion: '0.0.1', labels: 'published' }, join(path, 'set'));
      expect(manifest.splits.train.rows + manifest.splits.validation.rows + manifest.splits.test.rows).toBeGreaterThan(
        450,
      );
      const card = await trainEmbedded({
        datasetFolder: join(path, 'set'),
        outFolder: join(path, 'model'),
        python: config.python,
        environment: childEnvironment(config),
        kvalVersion: '0.0.1',
      });
      const [test] = card.metrics;
      expect(test?.compiled?.accuracy).toBeGreaterThan(0.86);
      expect(test?.compiled?.f1).toBeGreaterThan(0.9);
      expect(test?.correct?.accuracy).toBeGreaterThan(0.75);
      expect(test?.correct?.accuracy).toBeGreaterThan(test?.correct?.priorAccuracy ?? 1);
    } finally {
      await cleanup();
    }
  });
});

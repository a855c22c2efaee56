import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { jobKey } from '../../src/candidate.js';
import { type Config, childEnvironment } from '../../src/config.js';
import { buildDataset } from '../../src/dataset/build.js';
import { examplesOf } from '../../src/dataset/examples.js';
import { LabelStore } from '../../src/labels/store.js';
import { type Problem, sha256 } from '../../src/problem.js';
import { seededRandom } from '../../src/report/intervals.js';
import { trainEmbedded } from '../../src/tuning/embedded.js';
import { allActions, type ProblemName, problemNames } from './kernels.js';
import { recordReal } from './recorded.js';
import { type Bench, jobOf } from './train.js';

export interface Learned {
  readonly folder: string;
  /** What it learned from, in words. */
  readonly trainedOn: string;
  /** What labelling those kernels took, in milliseconds of one worker: nobody's bill, but it was paid. */
  readonly labelledMs: number;
}

/**
 * Trains an embedded simulator the way that the paper does, on what the harness said of kernels by the same writer, but of
 * problems that the agents will not be given: `perProblem` of each, drawn with a preference for those without a mistake of
 * syntax, or there would be little to learn about being right.
 */
export async function learnSimulator(
  { real, store, signal, allowed }: Pick<Bench, 'real' | 'store' | 'signal' | 'allowed'>,
  others: ReadonlyMap<ProblemName, Problem>,
  options: { readonly config: Config; readonly home: string; readonly perProblem: number },
): Promise<Learned> {
  const { config, home, perProblem } = options;
  const recorded = recordReal(real, store);
  const jobs = drawn(perProblem, (name, action) => others.has(name) && allowed(name, action)).map(([name, action]) =>
    jobOf({ problems: others }, name, action),
  );
  const name = sha256(...jobs.map(jobKey)).slice(0, 12);
  const own = LabelStore.open(join(home, `learned-${name}.db`));
  try {
    for (const job of jobs) {
      recorded.next();
      own.append(await recorded.validate(job, { signal }), job);
    }
    const folder = join(home, `simulator-${name}`);
    if (!existsSync(join(folder, 'metrics.json'))) {
      const datasetFolder = join(home, `dataset-${name}`);
      const shares = { validation: 0, test: 0 };
      await buildDataset(
        examplesOf(own, 'harness'),
        { kvalVersion: 'bench', labels: 'harness', shares, signal },
        datasetFolder,
      );
      const environment = childEnvironment(config);
      await trainEmbedded({
        datasetFolder,
        outFolder: folder,
        python: config.python,
        environment,
        kvalVersion: 'bench',
        signal,
      });
      await rm(datasetFolder, { recursive: true });
    }
    const trainedOn = `the harness's verdicts on ${jobs.length} kernels for ${[...others.keys()].join(', ')}`;
    return { folder, trainedOn, labelledMs: recorded.bill().coldMs };
  } finally {
    own.close();
  }
}

function drawn(perProblem: number, wanted: Bench['allowed']) {
  const random = seededRandom(1);
  const all = problemNames.flatMap((name) => allActions().map((action) => ({ name, action })));
  const order = all
    .map((one) => ({ ...one, rank: random() - (one.action.syntax === 'clean' ? 0.35 : 0) }))
    .sort((a, b) => a.rank - b.rank)
    .filter(({ name, action }) => wanted(name, action));
  return problemNames.flatMap((problem) =>
    order
      .filter(({ name }) => name === problem)
      .slice(0, perProblem)
      .map(({ action }) => [problem, action] as const),
  );
}

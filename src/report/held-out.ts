import { type Job, makeCandidate, settingsSchema } from '../candidate.js';
import type { Dataset } from '../dataset/read.js';
import { callOf, type DatasetRow } from '../dataset/row.js';
import { makeProblem } from '../problem.js';
import type { Validator } from '../validator/validator.js';
import type { Predicted } from '../verdict.js';
import { familyOf } from './family.js';
import type { ReportCase, ReportInput } from './input.js';

export interface HeldOut {
  readonly split: ReportInput['split'];
  readonly labels: string;
  readonly simulators: ReportInput['simulators'];
  readonly cases: ReportCase[];
  readonly majority: ReportInput['majority'];
}

/** Asks every simulator about every kernel of the test split, and keeps what was measured beside what was said. */
export async function judgeHeldOut(options: {
  dataset: Dataset;
  simulators: readonly Validator<Predicted>[];
  /** How long the real validator took for a kernel at a problem, or null. */
  realDurationMs: (candidateHash: string, problemId: string) => number | null;
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}): Promise<HeldOut> {
  const { dataset, signal } = options;
  const { settings, splits, id } = dataset.manifest;
  const prior = new Prior();
  for await (const row of dataset.rows('train', signal)) prior.learn(row);
  const cases: ReportCase[] = [];
  const simulators = new Map<string, ReportInput['simulators'][number]>();
  for await (const row of dataset.rows('test', signal)) {
    const job = jobOf(row);
    const predictions: ReportCase['predictions'] = [];
    for (const simulator of options.simulators) {
      const said = await simulator.validate(job, signal === undefined ? {} : { signal });
      simulators.set(simulator.name, { id: simulator.name, ...said.simulator });
      predictions.push({
        simulator: simulator.name,
        compiled: said.probabilities.compiled,
        correct: said.probabilities.correct,
        runtimeMs: said.runtimeMs,
        confidence: said.confidence,
        durationMs: said.durationMs,
      });
    }
    cases.push({
      candidateHash: row.candidate.hash,
      problemId: row.problem.id,
      level: row.problem.level,
      family: familyOf(row.problem.name),
      generator: row.candidate.generator,
      length: job.candidate.source.length,
      truth: {
        status: row.label.status,
        compiled: row.label.compiled,
        correct: row.label.correct,
        runtimeMs: row.label.runtimeMs,
        referenceRuntimeMs: row.label.referenceRuntimeMs,
        fidelity: row.label.fidelity,
        durationMs: row.label.source === 'harness' ? options.realDurationMs(row.candidate.hash, row.problem.id) : null,
      },
      prior: prior.of(row),
      predictions,
      source: job.candidate.source,
    });
    options.onProgress?.(cases.length, splits.test.rows);
  }
  return {
    split: {
      kind: settings.split,
      seed: settings.seed,
      trainRows: splits.train.rows,
      validationRows: splits.validation.rows,
      testRows: splits.test.rows,
      datasetHash: id,
    },
    labels: settings.labels,
    simulators: [...simulators.values()],
    cases,
    majority: prior.majority(),
  };
}

/** The job that a row of a data set is about. */
export function jobOf(row: DatasetRow): Job {
  const call = callOf(row);
  const number = Number(row.problem.id.split('/').at(-1));
  const { set, level, name } = row.problem;
  return {
    problem: makeProblem({ set, level, number, name, source: call.problem }),
    candidate: makeCandidate({
      source: call.kernel,
      language: call.language,
      problemId: row.problem.id,
      origin: { generator: row.candidate.generator, run: row.candidate.run },
    }),
    settings: settingsSchema.parse({}),
  };
}

/** How often the training split's kernels compiled and were right, by problem, else by level, else overall. */
class Prior {
  readonly #counts = new Map<string, { compiled: Share; correct: Share }>();

  learn({ problem, label }: DatasetRow): void {
    for (const key of [problem.id, `level ${problem.level}`, 'all']) {
      const counts = this.#counts.get(key) ?? { compiled: new Share(), correct: new Share() };
      counts.compiled.add(label.compiled);
      counts.correct.add(label.compiled ? label.correct : null);
      this.#counts.set(key, counts);
    }
  }

  of({ problem }: DatasetRow): ReportCase['prior'] {
    const first = (of: 'compiled' | 'correct'): number | null =>
      [problem.id, `level ${problem.level}`, 'all']
        .map((key) => this.#counts.get(key)?.[of].value ?? null)
        .find((value) => value !== null) ?? null;
    return { compiled: first('compiled'), correct: first('correct') };
  }

  majority(): ReportInput['majority'] {
    const all = this.#counts.get('all');
    const most = (share: number | null | undefined): boolean | null =>
      typeof share === 'number' ? share >= 0.5 : null;
    return { compiled: most(all?.compiled.value), correct: most(all?.correct.value) };
  }
}

class Share {
  #yes = 0;
  #all = 0;

  add(value: boolean | null): void {
    if (value === null) return;
    this.#all += 1;
    if (value) this.#yes += 1;
  }

  get value(): number | null {
    return this.#all === 0 ? null : this.#yes / this.#all;
  }
}

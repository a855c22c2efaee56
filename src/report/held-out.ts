import { type Job, makeCandidate, settingsSchema } from '../candidate.js';
import { operatorNameOf } from '../dataset/mutate/operator.js';
import { priorsOf } from '../dataset/priors.js';
import type { Dataset } from '../dataset/read.js';
import { callOf, type DatasetRow } from '../dataset/row.js';
import { makeProblem } from '../problem.js';
import type { SimulatedValidator } from '../validator/simulated.js';
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
  simulators: readonly {
    readonly validator: Pick<SimulatedValidator, 'predict'>;
    readonly trainedOn: string | null;
  }[];
  /** Whether each is asked once more about the kernels that compile, told what the build said. */
  onceBuilt?: boolean;
  /** How long the real validator took for a kernel at a problem, or null. */
  realDurationMs: (candidateHash: string, problemId: string) => number | null;
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}): Promise<HeldOut> {
  const { dataset, signal } = options;
  const stoppable = signal === undefined ? {} : { signal };
  const { settings, splits, id } = dataset.manifest;
  const priors = await priorsOf(dataset.rows('train', signal));
  const cases: ReportCase[] = [];
  const simulators = new Map<string, ReportInput['simulators'][number]>();
  for await (const row of dataset.rows('test', signal)) {
    const job = jobOf(row);
    const predictions: ReportCase['predictions'] = [];
    for (const { validator, trainedOn } of options.simulators) {
      const said = await validator.predict(job, stoppable);
      const built = { ...stoppable, built: true, build: row.label.build };
      const onceBuilt = options.onceBuilt === true && row.label.compiled ? await validator.predict(job, built) : null;
      const id = simulatorName(said);
      simulators.set(id, { id, ...said.simulator, trainedOn });
      predictions.push({
        simulator: id,
        compiled: said.probabilities.compiled,
        correct: said.probabilities.correct,
        ...(onceBuilt === null ? {} : { correctOnceBuilt: onceBuilt.probabilities.correct }),
        ...(said.outcomes === undefined ? {} : { outcomes: said.outcomes }),
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
      mutation: row.candidate.mutation === undefined ? null : operatorNameOf(row.candidate.mutation),
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
      prior: priors.of(row.problem),
      predictions,
      diagnostics: row.label.diagnostics,
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
    majority: priors.majority,
  };
}

/** Short, for tables and plots; a report gives engine, model and calibration in full once. */
export function simulatorName({ simulator }: Predicted): string {
  return `${simulator.engine} ${simulator.model.slice(0, 6)}`;
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

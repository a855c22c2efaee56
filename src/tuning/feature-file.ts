import { open } from 'node:fs/promises';
import type { Dataset } from '../dataset/read.js';
import { callOf, type DatasetRow } from '../dataset/row.js';
import { problemUnit, type SplitName } from '../dataset/split.js';
import { type BuildFacts, buildFeatureNames, describeBuild } from '../simulator/build-features.js';
import {
  extractFeatures,
  featureNames,
  featureVersion,
  findings,
  gramColumns,
  type JobText,
} from '../simulator/features.js';
import type { OutcomeStatus } from '../verdict.js';

/** What is known of a kernel; `split` says which rows may be learned from, `unit` which rows must not be parted. */
export interface LabelledText {
  readonly split: SplitName;
  readonly unit: string;
  readonly compiled: boolean | null;
  readonly correct: boolean | null;
  /** Of what did not compile: whether there was no CUDA kernel of a ModelNew to build; null where nobody knows, or it compiled. */
  readonly invalid: boolean | null;
  /** Of what compiled and is not correct: whether it ran to its end; null where nobody knows, or it is otherwise. */
  readonly ran: boolean | null;
  readonly runtimeMs: number | null;
  /** Time of the reference over that of the kernel, on one device. */
  readonly speedup: number | null;
  readonly text: JobText;
  /** What was said of it when it was built without error; null where nobody built it. */
  readonly build: BuildFacts | null;
}

export type VerdictHead = 'compiled' | 'correct' | 'invalid' | 'ran';

export interface FeatureRow extends LabelledText {
  readonly compiled: boolean;
  readonly row: DatasetRow;
}

/** The text of the job that a row of a data set answers. */
export function textOfRow(row: DatasetRow): JobText {
  const call = callOf(row);
  return {
    problem: call.problem,
    level: row.problem.level,
    candidate: call.kernel,
    language: call.language,
    device: row.label.device,
    referenceRuntimeMs: row.label.referenceRuntimeMs,
  };
}

export async function* featureRows(
  dataset: Dataset,
  split: SplitName,
  signal?: AbortSignal,
): AsyncGenerator<FeatureRow> {
  for await (const row of dataset.rows(split, signal)) {
    yield {
      split,
      unit: problemUnit(row.problem.id),
      compiled: row.label.compiled,
      correct: row.label.correct,
      ...failureOf(row.label.status),
      runtimeMs: row.label.runtimeMs,
      speedup: speedupOf(row.label),
      text: textOfRow(row),
      build: row.label.build,
      row,
    };
  }
}

/** What an outcome tells of the two questions about failures. */
export function failureOf(status: OutcomeStatus | null): Pick<LabelledText, 'invalid' | 'ran'> {
  switch (status) {
    case 'invalid':
      return { invalid: true, ran: null };
    case 'compile-error':
    case 'load-error':
      return { invalid: false, ran: null };
    case 'mismatch':
    case 'rejected':
      return { invalid: null, ran: true };
    case 'runtime-error':
      return { invalid: null, ran: false };
    case 'timeout':
    case 'correct':
    case 'built':
    case null:
      return { invalid: null, ran: null };
  }
}

function speedupOf({ runtimeMs, referenceRuntimeMs }: DatasetRow['label']): number | null {
  return runtimeMs === null || referenceRuntimeMs === null ? null : referenceRuntimeMs / runtimeMs;
}

/**
 * Computes features and writes them for `kval_models`: one JSON line (names, labels), then as float32, row by row, the
 * parsed features and those of the build (NaN where there is none), then the hashed counts as a sparse matrix (row starts,
 * columns, counts).
 */
export async function writeFeatures(
  rows: AsyncIterable<LabelledText> | Iterable<LabelledText>,
  dataset: string,
  path: string,
  onRow?: (done: number) => void,
): Promise<Readonly<Record<VerdictHead, readonly (boolean | null)[]>>> {
  const labels = { split: [] as string[], group: [] as number[] };
  const compiled: (number | null)[] = [];
  const correct: (number | null)[] = [];
  const invalid: (number | null)[] = [];
  const ran: (number | null)[] = [];
  const logRuntimeMs: (number | null)[] = [];
  const logSpeedup: (number | null)[] = [];
  const parsed: Float32Array[] = [];
  const built: Float32Array[] = [];
  const starts: number[] = [0];
  const grams: { columns: Uint32Array; counts: Float32Array }[] = [];
  const units = new Map<string, number>();
  let nonzero = 0;
  for await (const row of rows) {
    const counts = new Map<number, number>();
    parsed.push(
      Float32Array.from(extractFeatures(row.text, (column) => counts.set(column, (counts.get(column) ?? 0) + 1))),
    );
    const told = row.build === null ? null : describeBuild(row.build);
    built.push(told === null ? noBuild : Float32Array.from(told));
    const columns = Uint32Array.from(counts.keys()).sort();
    grams.push({ columns, counts: Float32Array.from(columns, (column) => counts.get(column) ?? 0) });
    nonzero += columns.length;
    starts.push(nonzero);
    if (!units.has(row.unit)) units.set(row.unit, units.size);
    labels.split.push(row.split);
    labels.group.push(units.get(row.unit) ?? 0);
    compiled.push(asNumber(row.compiled));
    correct.push(asNumber(row.correct));
    invalid.push(asNumber(row.invalid));
    ran.push(asNumber(row.ran));
    logRuntimeMs.push(row.runtimeMs === null ? null : Math.log(row.runtimeMs));
    logSpeedup.push(row.speedup === null ? null : Math.log(row.speedup));
    onRow?.(parsed.length);
  }
  const header = {
    format: 'kval-features',
    featureVersion,
    dataset,
    names: featureNames,
    builtNames: buildFeatureNames,
    gramColumns,
    rows: parsed.length,
    nonzero,
    ...labels,
    compiled,
    correct,
    invalid,
    ran,
    logRuntimeMs,
    logSpeedup,
    findings,
  };
  const file = await open(path, 'w');
  try {
    await file.writeFile(`${JSON.stringify(header)}\n`);
    for (const values of [...parsed, ...built]) await file.writeFile(bytesOf(values));
    await file.writeFile(bytesOf(Uint32Array.from(starts)));
    for (const { columns } of grams) await file.writeFile(bytesOf(columns));
    for (const { counts } of grams) await file.writeFile(bytesOf(counts));
  } finally {
    await file.close();
  }
  return {
    compiled: compiled.map(asBoolean),
    correct: correct.map(asBoolean),
    invalid: invalid.map(asBoolean),
    ran: ran.map(asBoolean),
  };
}

const noBuild = new Float32Array(buildFeatureNames.length).fill(Number.NaN);

function asNumber(value: boolean | null): number | null {
  return value === null ? null : Number(value);
}

function asBoolean(value: number | null): boolean | null {
  return value === null ? null : value === 1;
}

function bytesOf(values: Float32Array | Uint32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

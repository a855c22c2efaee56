import { z } from 'zod';
import { type Candidate, candidateSchema } from '../candidate.js';
import { KvalError } from '../errors.js';
import { type Problem, problemSchema } from '../problem.js';
import { type Label, labelSchema, type Published, publishedRecordSchema, type Sighting } from './label.js';
import { type Packed, unpack } from './packed.js';

/** The columns of the tables, and how a row of them becomes a noun again. */
export interface ProblemRow {
  id: string;
  source_hash: string;
  set_name: string;
  level: number;
  number: number;
  name: string;
  source: string;
  shape_hash: string | null;
  has_small: number;
}

export interface SightingRow {
  row_id: number;
  candidate_hash: string;
  language: string;
  text: string;
  problem_id: string;
  generator: string;
  run: string;
  sample: number;
  source: string;
  line: number | null;
  parent: string | null;
  mutation: string | null;
  backend: string | null;
}

export interface PublishedRow extends SightingRow {
  compiled: number | null;
  correct: number | null;
  runtime_ms: number | null;
  speedup: number | null;
  gpu: string | null;
  kind: string;
  raw: Packed;
}

export interface LabelRow extends SightingRow {
  job_key: string;
  problem_source_hash: string;
  shape_hash: string | null;
  settings: string;
  fidelity: string;
  outcome: Packed;
  build: Packed | null;
  execution: Packed | null;
  provenance: string;
  created_at: string;
}

/** The columns of `SightingRow`, from `sightings s` joined with `candidates c`. */
export const sightingColumns = `s.id AS row_id, s.candidate_hash, c.language, c.source AS text, s.problem_id, s.generator,
  s.run, s.sample, s.source, s.line, s.parent, s.mutation, s.backend`;

export function problemOf(row: ProblemRow): Problem {
  return checked(problemSchema, `problem ${row.id}`, {
    id: row.id,
    set: row.set_name,
    level: row.level,
    number: row.number,
    name: row.name,
    source: row.source,
    sourceHash: row.source_hash,
    shapeHash: row.shape_hash,
    hasSmall: row.has_small === 1,
  });
}

export function candidateOf(row: SightingRow): Candidate {
  return checked(candidateSchema, `candidate ${row.candidate_hash}`, {
    hash: row.candidate_hash,
    language: row.language,
    source: row.text,
    problemId: row.problem_id,
    origin: {
      generator: row.generator,
      run: row.run,
      sample: row.sample,
      source: row.source,
      parent: row.parent,
      mutation: row.mutation,
    },
  });
}

export function sightingOf(row: SightingRow): Sighting {
  return { candidate: candidateOf(row), line: row.line, backend: row.backend };
}

export function publishedOf(row: PublishedRow): Published {
  const published = checked(publishedRecordSchema, `the published label of ${row.candidate_hash}`, {
    compiled: row.compiled === null ? null : row.compiled === 1,
    correct: row.correct === null ? null : row.correct === 1,
    runtimeMs: row.runtime_ms,
    speedup: row.speedup,
    gpu: row.gpu,
    kind: row.kind,
    raw: opened(row.raw),
  });
  return { ...sightingOf(row), published };
}

export function labelOf(row: LabelRow, problem: Problem): Label {
  return checked(labelSchema, `label ${row.job_key}`, {
    measured: {
      kind: 'measured',
      fidelity: row.fidelity,
      jobKey: row.job_key,
      outcome: opened(row.outcome),
      build: opened(row.build),
      execution: opened(row.execution),
      provenance: opened(row.provenance),
    },
    settings: opened(row.settings),
    candidate: candidateOf(row),
    problem: { ...problem, shapeHash: row.shape_hash },
    createdAt: row.created_at,
  });
}

function opened(packed: Packed | null): unknown {
  try {
    return packed === null ? null : unpack(packed);
  } catch (thrown) {
    throw new KvalError('store-corrupt', 'a record in the store cannot be unpacked', { cause: thrown });
  }
}

function checked<T>(schema: z.ZodType<T>, what: string, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new KvalError(
    'store-corrupt',
    `${what} in the store is not what it should be:\n${z.prettifyError(parsed.error)}`,
  );
}

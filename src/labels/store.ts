import type Database from 'better-sqlite3';
import { type Candidate, type Job, jobKey } from '../candidate.js';
import { KvalError } from '../errors.js';
import type { Problem } from '../problem.js';
import type { Measured, OutcomeStatus } from '../verdict.js';
import { type Claim, Claims } from './claims.js';
import { labelCondition, sightingCondition } from './filter.js';
import type { Filter, Label, LabelSummary, Published, Sighting } from './label.js';
import { naming, type OpenOptions, openDatabase } from './open-database.js';
import { pack } from './packed.js';
import {
  type LabelRow,
  labelOf,
  type ProblemRow,
  type PublishedRow,
  problemOf,
  publishedOf,
  type SightingRow,
  sightingColumns,
  sightingOf,
} from './rows.js';

/** How many were new, and how many the store had already. */
export interface Added {
  readonly added: number;
  readonly already: number;
}

export interface Counts {
  readonly problems: number;
  readonly candidates: number;
  readonly sightings: number;
  readonly published: number;
  readonly labels: number;
  readonly byStatus: Readonly<Record<OutcomeStatus, number>>;
}

const pageSize = 200;

/**
 * Problems, candidates, what others published about them, and our labels, in one SQLite file.
 * Several processes may read and write at once. Only a `Measured` verdict can become a label.
 */
export class LabelStore {
  readonly path: string;
  readonly #database: Database.Database;
  readonly #claims: Claims;

  private constructor(path: string, database: Database.Database) {
    this.path = path;
    this.#database = database;
    this.#claims = new Claims(database);
  }

  /** Opens a store, or makes one. Throws `store-corrupt`, `store-newer`, `store-busy`, `bad-input` or `not-found`. */
  static open(path: string, options?: OpenOptions): LabelStore {
    return new LabelStore(path, openDatabase(path, options));
  }

  /** Adds versions of problems. The version that was put last is the one that `problem(id)` gives. */
  putProblems(problems: Iterable<Problem>): Added {
    return this.#write(() => tally(problems, (problem) => this.#putProblem(problem)));
  }

  /** Adds candidates with where they were seen. */
  putCandidates(sightings: Iterable<Sighting>): Added {
    return this.#write(() => tally(sightings, (sighting) => this.#putSighting(sighting).added));
  }

  /** Adds candidates with what somebody else said of them; what is said anew replaces what was said of the same sighting. */
  putPublished(records: Iterable<Published>): Added {
    const put = this.#database.prepare(
      `INSERT INTO published VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET compiled = excluded.compiled,
       correct = excluded.correct, runtime_ms = excluded.runtime_ms, speedup = excluded.speedup, gpu = excluded.gpu,
       kind = excluded.kind, raw = excluded.raw`,
    );
    return this.#write(() =>
      tally(records, (record) => {
        const { id, added } = this.#putSighting(record);
        const { compiled, correct, runtimeMs, speedup, gpu, kind, raw } = record.published;
        put.run(id, flag(compiled), flag(correct), runtimeMs, speedup, gpu, kind, pack(raw));
        return added;
      }),
    );
  }

  /** Keeps a verdict. False when this job has its label already: the first one stays. */
  append(measured: Measured, job: Job, createdAt: string = new Date().toISOString()): boolean {
    if (measured.kind !== 'measured' || measured.jobKey !== jobKey(job)) {
      throw new KvalError('internal', 'only a measured verdict of the same job can become its label');
    }
    return this.#write(() => {
      if (this.has(measured.jobKey)) return false;
      this.#keepProblem(job.problem);
      this.#keepCandidate({ ...job.candidate, problemId: job.problem.id });
      this.#insertLabel(measured, job, createdAt);
      return true;
    });
  }

  has(key: string): boolean {
    return this.#read(() => this.#database.prepare('SELECT 1 FROM labels WHERE job_key = ?').get(key) !== undefined);
  }

  find(key: string): Label | null {
    for (const label of this.iterate({ jobKey: key })) return label;
    return null;
  }

  /** Labels as they were stored, oldest first; read in pages, so that the store can be written to meanwhile. */
  *iterate(filter: Filter = {}): Generator<Label> {
    const { sql, values } = labelCondition(filter);
    const statement = this.#read(() =>
      this.#database.prepare<(string | number)[], LabelRow>(
        `SELECT ${sightingColumns}, l.id AS row_id, l.* FROM ${labelsWithSighting}
         WHERE l.id > ? AND ${sql} ORDER BY l.id LIMIT ?`,
      ),
    );
    yield* this.#pages(statement, values, filter.limit, (row) => {
      const problem = this.problem(row.problem_id, row.problem_source_hash);
      if (problem !== null) return labelOf(row, problem);
      throw new KvalError('store-corrupt', `${this.path}: label ${row.job_key} has lost its problem`);
    });
  }

  /** The newest labels first, without sources and logs. */
  list(filter: Filter = {}): LabelSummary[] {
    const { sql, values } = labelCondition(filter);
    return this.#read(() =>
      this.#database
        .prepare<(string | number)[], LabelSummary>(
          `SELECT l.job_key AS jobKey, l.problem_id AS problemId, l.candidate_hash AS candidateHash, s.generator, s.source,
             l.status, l.fidelity, l.created_at AS createdAt
           FROM ${labelsWithSighting} WHERE ${sql} ORDER BY l.id DESC LIMIT ?`,
        )
        .all(...values, filter.limit ?? -1),
    );
  }

  /** A version of a problem; without a hash the one that was put last. */
  problem(id: string, sourceHash?: string): Problem | null {
    return this.#read(() => {
      const row = this.#database
        .prepare<[object], ProblemRow>(
          'SELECT * FROM problems WHERE id = @id AND source_hash = ifnull(@hash, source_hash) ORDER BY put_order DESC LIMIT 1',
        )
        .get({ id, hash: sourceHash ?? null });
      return row === undefined ? null : problemOf(row);
    });
  }

  /** Every problem in the version that was put last, in the order of set, level and number. */
  problems(filter: { set?: string; level?: number } = {}): Problem[] {
    return this.#read(() =>
      this.#database
        .prepare<[object], ProblemRow>(
          `SELECT * FROM problems p WHERE set_name = ifnull(@set, set_name) AND level = ifnull(@level, level)
             AND put_order = (SELECT max(put_order) FROM problems WHERE id = p.id)
           ORDER BY set_name, level, number`,
        )
        .all({ set: filter.set ?? null, level: filter.level ?? null })
        .map(problemOf),
    );
  }

  /** Candidates, each once for each problem it was proposed for, as first seen. */
  *candidates(filter: Filter = {}): Generator<Sighting> {
    const { sql, values } = sightingCondition(filter);
    const statement = this.#read(() =>
      this.#database.prepare<(string | number)[], SightingRow>(
        `SELECT ${sightingColumns} FROM sightings s JOIN candidates c ON c.hash = s.candidate_hash
         WHERE s.id > ? AND ${sql} AND s.id = (
           SELECT min(id) FROM sightings WHERE candidate_hash = s.candidate_hash AND problem_id = s.problem_id)
         ORDER BY s.id LIMIT ?`,
      ),
    );
    yield* this.#pages(statement, values, filter.limit, sightingOf);
  }

  /** What others published, sighting by sighting. */
  *published(filter: Filter = {}): Generator<Published> {
    const { sql, values } = sightingCondition(filter);
    const statement = this.#read(() =>
      this.#database.prepare<(string | number)[], PublishedRow>(
        `SELECT ${sightingColumns}, p.* FROM published p JOIN sightings s ON s.id = p.sighting_id
         JOIN candidates c ON c.hash = s.candidate_hash WHERE s.id > ? AND ${sql} ORDER BY s.id LIMIT ?`,
      ),
    );
    yield* this.#pages(statement, values, filter.limit, publishedOf);
  }

  counts(): Counts {
    return this.#read(() => {
      const count = (table: string): number =>
        this.#database.prepare<[], { n: number }>(`SELECT count(*) AS n FROM ${table}`).get()?.n ?? 0;
      const byStatus = emptyByStatus();
      const rows = this.#database
        .prepare<[], { status: OutcomeStatus; n: number }>('SELECT status, count(*) AS n FROM labels GROUP BY status')
        .all();
      for (const { status, n } of rows) byStatus[status] = n;
      return {
        problems: count('problems'),
        candidates: count('candidates'),
        sightings: count('sightings'),
        published: count('published'),
        labels: count('labels'),
        byStatus,
      };
    });
  }

  /** Takes a job for this owner, unless it has its label already or a living process is at work on it. */
  claim(key: string, owner: string): Claim {
    const look = (): Claim | null =>
      this.has(key) ? 'labelled' : this.#claims.isHeldByAnother(key, owner) ? 'taken' : null;
    // Most looks find nothing to take, and looking does not need the store for itself.
    return this.#read(look) ?? this.#write(() => look() ?? this.#claims.take(key, owner));
  }

  /** Says that an owner still lives; an owner that does not say so for a minute loses its claims. */
  beat(owner: string): void {
    this.#write(() => this.#claims.beat(owner));
  }

  /** Gives up one claim, or all claims of an owner. */
  release(owner: string, key?: string): void {
    this.#write(() => this.#claims.release(owner, key));
  }

  /** Reads the whole file and says what is wrong with it; empty when nothing is. Slow on a large store. */
  verify(): string[] {
    try {
      return this.#read(() => {
        const faults = this.#database
          .prepare<[], { quick_check: string }>('PRAGMA quick_check(20)')
          .all()
          .map((row) => row.quick_check)
          .filter((line) => line !== 'ok');
        const orphans = this.#database.prepare<[], { table: string }>('PRAGMA foreign_key_check').all();
        return [...faults, ...orphans.map((row) => `a row of ${row.table} refers to something that is not there`)];
      });
    } catch (thrown) {
      // Damage can be such that the check itself cannot go on.
      if (thrown instanceof KvalError && thrown.code === 'store-corrupt') return [thrown.message];
      throw thrown;
    }
  }

  /** Several changes as one: all of them are stored, or none. */
  together<T>(work: () => T): T {
    return this.#write(work);
  }

  close(): void {
    this.#database.close();
  }

  #putProblem(problem: Problem): boolean {
    const { id, set, level, number, name, source, sourceHash, shapeHash, hasSmall } = problem;
    const known = this.problem(id, sourceHash) !== null;
    this.#database
      .prepare(
        `INSERT INTO problems VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT ifnull(max(put_order), 0) + 1 FROM problems))
         ON CONFLICT DO UPDATE SET name = excluded.name, has_small = excluded.has_small, put_order = excluded.put_order,
           shape_hash = ifnull(excluded.shape_hash, shape_hash)`,
      )
      .run(id, sourceHash, set, level, number, name, source, shapeHash, flag(hasSmall));
    return !known;
  }

  /** The problem of a label must be there; that it was judged does not make an old version the current one. */
  #keepProblem(problem: Problem): void {
    if (this.problem(problem.id, problem.sourceHash) === null) this.#putProblem(problem);
  }

  /** A labelled candidate needs one sighting at its problem; better ones that an import brought stay as they are. */
  #keepCandidate(candidate: Candidate): void {
    const seen = this.#database
      .prepare('SELECT 1 FROM sightings WHERE candidate_hash = ? AND problem_id = ?')
      .get(candidate.hash, candidate.problemId);
    if (seen === undefined) this.#putSighting({ candidate, line: null, backend: null });
  }

  #putSighting({ candidate, line, backend }: Sighting): { id: number; added: boolean } {
    const { generator, run, sample, source, parent, mutation } = candidate.origin;
    this.#database
      .prepare('INSERT INTO candidates VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
      .run(candidate.hash, candidate.language, candidate.source);
    const place = [candidate.hash, candidate.problemId, generator, run, sample, source, line];
    const { changes } = this.#database
      .prepare('INSERT INTO sightings VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING')
      .run(...place, parent, mutation, backend);
    const row = this.#database
      .prepare<unknown[], { id: number }>(
        `SELECT id FROM sightings WHERE candidate_hash = ? AND problem_id = ? AND generator = ? AND run = ? AND sample = ?
           AND source = ? AND ifnull(line, -1) = ifnull(?, -1)`,
      )
      .get(...place);
    if (row === undefined) throw new KvalError('internal', 'a sighting that was put is not there');
    return { id: row.id, added: changes === 1 };
  }

  #insertLabel(measured: Measured, job: Job, createdAt: string): void {
    const { outcome, build, execution, provenance, fidelity } = measured;
    this.#database
      .prepare(
        `INSERT INTO labels (job_key, candidate_hash, problem_id, problem_source_hash, shape_hash, settings, fidelity, status,
           outcome, build, execution, provenance, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        measured.jobKey,
        job.candidate.hash,
        job.problem.id,
        job.problem.sourceHash,
        job.problem.shapeHash,
        JSON.stringify(job.settings),
        fidelity,
        outcome.status,
        pack(outcome),
        build === null ? null : pack(build),
        execution === null ? null : pack(execution),
        JSON.stringify(provenance),
        createdAt,
      );
  }

  *#pages<Row extends { row_id: number }, T>(
    statement: Database.Statement<(string | number)[], Row>,
    values: readonly (string | number)[],
    limit: number | undefined,
    read: (row: Row) => T,
  ): Generator<T> {
    let after = 0;
    for (let left = limit ?? Number.POSITIVE_INFINITY; left > 0; ) {
      const asked = Math.min(pageSize, left);
      const rows = this.#read(() => statement.all(after, ...values, asked));
      for (const row of rows) {
        after = row.row_id;
        yield this.#read(() => read(row));
      }
      if (rows.length < asked) return;
      left -= rows.length;
    }
  }

  #write<T>(work: () => T): T {
    return naming(this.path, () => this.#database.transaction(work).immediate());
  }

  #read<T>(work: () => T): T {
    return naming(this.path, work);
  }
}

export function emptyByStatus(): Record<OutcomeStatus, number> {
  return {
    invalid: 0,
    'compile-error': 0,
    'load-error': 0,
    'runtime-error': 0,
    timeout: 0,
    mismatch: 0,
    rejected: 0,
    correct: 0,
    built: 0,
  };
}

/** A label's candidate may have been seen at its problem more than once; the first sighting stands for it. */
const labelsWithSighting = `labels l JOIN candidates c ON c.hash = l.candidate_hash
  JOIN sightings s ON s.id = (
    SELECT min(id) FROM sightings WHERE candidate_hash = l.candidate_hash AND problem_id = l.problem_id)`;

function tally<T>(items: Iterable<T>, put: (item: T) => boolean): Added {
  let added = 0;
  let already = 0;
  for (const item of items) {
    if (put(item)) added += 1;
    else already += 1;
  }
  return { added, already };
}

function flag(value: boolean | null): number | null {
  return value === null ? null : Number(value);
}

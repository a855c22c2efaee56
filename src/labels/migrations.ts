import type Database from 'better-sqlite3';
import { KvalError } from '../errors.js';

/** Marks a SQLite file as a label store: "kval" in ASCII. */
export const applicationId = 0x6b76616c;

/** Each entry brings a store from the version of its index to the next one. Entries are only ever added. */
const migrations: readonly string[] = [
  `
  CREATE TABLE problems (
    id TEXT NOT NULL,
    source_hash TEXT NOT NULL,
    set_name TEXT NOT NULL,
    level INTEGER NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    shape_hash TEXT,
    has_small INTEGER NOT NULL,
    put_order INTEGER NOT NULL,
    PRIMARY KEY (id, source_hash)
  ) STRICT;

  CREATE TABLE candidates (
    hash TEXT PRIMARY KEY,
    language TEXT NOT NULL,
    source TEXT NOT NULL
  ) STRICT;

  -- Where a candidate was seen: the same text may come from many generators, runs and publications.
  CREATE TABLE sightings (
    id INTEGER PRIMARY KEY,
    candidate_hash TEXT NOT NULL REFERENCES candidates (hash),
    problem_id TEXT NOT NULL,
    generator TEXT NOT NULL,
    run TEXT NOT NULL,
    sample INTEGER NOT NULL,
    source TEXT NOT NULL,
    line INTEGER,
    parent TEXT,
    mutation TEXT,
    backend TEXT
  ) STRICT;
  CREATE UNIQUE INDEX sightings_once
    ON sightings (candidate_hash, problem_id, generator, run, sample, source, ifnull(line, -1));
  CREATE INDEX sightings_problem ON sightings (problem_id);

  -- What somebody else said of a sighting, as published. Never joined with labels of ours except to compare.
  CREATE TABLE published (
    sighting_id INTEGER PRIMARY KEY REFERENCES sightings (id),
    compiled INTEGER,
    correct INTEGER,
    runtime_ms REAL,
    speedup REAL,
    gpu TEXT,
    kind TEXT NOT NULL,
    raw ANY NOT NULL
  ) STRICT;

  CREATE TABLE labels (
    id INTEGER PRIMARY KEY,
    job_key TEXT NOT NULL UNIQUE,
    candidate_hash TEXT NOT NULL REFERENCES candidates (hash),
    problem_id TEXT NOT NULL,
    problem_source_hash TEXT NOT NULL,
    shape_hash TEXT,
    settings TEXT NOT NULL,
    fidelity TEXT NOT NULL,
    status TEXT NOT NULL,
    outcome ANY NOT NULL,
    build ANY,
    execution ANY,
    provenance TEXT NOT NULL,
    created_at TEXT NOT NULL,
    FOREIGN KEY (problem_id, problem_source_hash) REFERENCES problems (id, source_hash)
  ) STRICT;
  CREATE INDEX labels_candidate ON labels (candidate_hash);
  CREATE INDEX labels_problem ON labels (problem_id);

  -- Who is working on what at the moment.
  CREATE TABLE claims (
    job_key TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    beat_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  INSERT INTO meta VALUES ('created_at', strftime('%Y-%m-%dT%H:%M:%fZ', 'now'));
  `,
];

export const storeVersion = migrations.length;

/** Brings an open database to this version. Two processes may try at once: one does it, the other finds it done. */
export function migrate(database: Database.Database, path: string): void {
  if (versionOf(database, path) === storeVersion) return;
  database
    .transaction(() => {
      for (let version = versionOf(database, path); version < storeVersion; version++) {
        database.exec(migrations[version] ?? '');
        database.pragma(`user_version = ${version + 1}`);
      }
      database.pragma(`application_id = ${applicationId}`);
    })
    .immediate();
}

/** The version of a store, 0 for an empty file. Throws when the file is somebody else's, or from a newer kval. */
function versionOf(database: Database.Database, path: string): number {
  const version = Number(database.pragma('user_version', { simple: true }));
  const application = Number(database.pragma('application_id', { simple: true }));
  const empty =
    Number(database.prepare<[], { tables: number }>('SELECT count(*) AS tables FROM sqlite_schema').get()?.tables) ===
    0;
  if (application !== applicationId && !(empty && version === 0)) {
    throw new KvalError('bad-input', `${path} is a SQLite database of another program, not a label store`, {
      fix: 'Name another file with --store.',
    });
  }
  if (version > storeVersion) {
    throw new KvalError('store-newer', `${path} has version ${version}; this kval reads up to version ${storeVersion}`);
  }
  return version;
}

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';

export interface StoreOptions {
  /** A SQLite file, made where there is none. */
  readonly path: string;
  /** The file grows no further than this; writing more is `disk-full`. */
  readonly maxBytes?: number;
}

/** What outlives the service: accepted jobs, the answers that a key stands for, and the mode that was asked for. */
export function openStore({ path, maxBytes }: StoreOptions): Database.Database {
  mkdirSync(dirname(path), { recursive: true });
  const database = new Database(path, { timeout: 15_000 });
  database.pragma('journal_mode = WAL');
  // An accepted job outlives the machine's power too.
  database.pragma('synchronous = FULL');
  if (maxBytes !== undefined) {
    const pageBytes = Number(database.pragma('page_size', { simple: true }));
    database.pragma(`max_page_count = ${Math.ceil(maxBytes / pageBytes)}`);
  }
  database.exec(
    `CREATE TABLE IF NOT EXISTS jobs (
       id TEXT PRIMARY KEY,
       idempotency_key TEXT UNIQUE,
       body_hash TEXT NOT NULL,
       request TEXT NOT NULL,
       status TEXT NOT NULL,
       answer TEXT,
       changed_at INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX IF NOT EXISTS jobs_status ON jobs (status);
     CREATE TABLE IF NOT EXISTS answers (
       number INTEGER PRIMARY KEY,
       idempotency_key TEXT NOT NULL UNIQUE,
       body_hash TEXT NOT NULL,
       answer TEXT NOT NULL,
       given_at INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX IF NOT EXISTS answers_given_at ON answers (given_at);
     CREATE TABLE IF NOT EXISTS mode (
       only INTEGER PRIMARY KEY CHECK (only = 1),
       choice TEXT NOT NULL
     ) STRICT;`,
  );
  return database;
}

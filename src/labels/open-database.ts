import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { KvalError, toKvalError } from '../errors.js';
import { migrate } from './migrations.js';

export interface OpenOptions {
  /** Throw `not-found` rather than make a new store. */
  readonly mustExist?: boolean;
  /** How long to wait for another process's writing before it counts as busy. */
  readonly busyTimeoutMs?: number;
  /** The file grows no further than this; writing more is `disk-full`. */
  readonly maxBytes?: number;
}

/** Opens a SQLite file as a label store of this version: WAL, so that readers and one writer do not wait for each other. */
export function openDatabase(path: string, options: OpenOptions = {}): Database.Database {
  const { mustExist = false, busyTimeoutMs = 15_000, maxBytes } = options;
  return naming(path, () => {
    if (mustExist && !existsSync(path)) throw new KvalError('not-found', `there is no label store at ${path}`);
    if (existsSync(path) && !statSync(path).isFile()) {
      throw new KvalError('bad-input', `${path} is not a file`, { fix: 'Name a file with --store.' });
    }
    mkdirSync(dirname(resolve(path)), { recursive: true });
    const database = new Database(path, { timeout: busyTimeoutMs });
    try {
      keepTrying(busyTimeoutMs, () => {
        migrate(database, path);
        database.pragma('journal_mode = WAL');
      });
      database.pragma('synchronous = NORMAL');
      database.pragma('foreign_keys = ON');
      if (maxBytes !== undefined) {
        const pageBytes = Number(database.pragma('page_size', { simple: true }));
        database.pragma(`max_page_count = ${Math.ceil(maxBytes / pageBytes)}`);
      }
      return database;
    } catch (thrown) {
      database.close();
      throw thrown;
    }
  });
}

/** Runs one piece of work on a store; whatever SQLite or the file system says becomes an error that names the file. */
export function naming<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw storeError(path, thrown);
  }
}

function storeError(path: string, thrown: unknown): KvalError {
  if (thrown instanceof KvalError) return thrown;
  const code = typeof thrown === 'object' && thrown !== null && 'code' in thrown ? String(thrown.code) : '';
  const said = thrown instanceof Error ? thrown.message : String(thrown);
  const message = `${path}: ${said}`;
  // Extended codes such as SQLITE_BUSY_SNAPSHOT begin with the code that they extend.
  if (code === 'SQLITE_NOTADB') {
    return new KvalError('store-corrupt', `${path} is not a label store: ${said}`, { cause: thrown });
  }
  if (code.startsWith('SQLITE_CORRUPT')) return new KvalError('store-corrupt', message, { cause: thrown });
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    return new KvalError('store-busy', message, { cause: thrown, retry: true });
  }
  if (code === 'SQLITE_FULL' || code === 'SQLITE_IOERR_WRITE') {
    return new KvalError('disk-full', message, { cause: thrown, retry: true });
  }
  if (/^(?:SQLITE_(?:READONLY|CANTOPEN|IOERR|PERM)|EEXIST|EROFS|EPERM)/.test(code)) {
    return new KvalError('bad-input', message, {
      cause: thrown,
      fix: 'Check that the file and its folder can be read and written, or name another file with --store.',
    });
  }
  const known = toKvalError(thrown);
  return known.code === 'internal' ? known : new KvalError(known.code, message, { cause: thrown, retry: known.retry });
}

/** Turning WAL on needs the file for itself for a moment, and SQLite does not wait for that by itself. */
function keepTrying(limitMs: number, work: () => void): void {
  const end = Date.now() + limitMs;
  for (;;) {
    try {
      work();
      return;
    } catch (thrown) {
      const busy = thrown instanceof Database.SqliteError && thrown.code.startsWith('SQLITE_BUSY');
      if (!busy || Date.now() >= end) throw thrown;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}

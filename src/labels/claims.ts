import { hostname } from 'node:os';
import type Database from 'better-sqlite3';

/** `mine`: go to work; `taken`: a living process is at work on it; `labelled`: there is nothing left to do. */
export type Claim = 'mine' | 'taken' | 'labelled';

/** After this long without a sign of life an owner's claims are anybody's. */
export const claimExpiryMs = 60_000;

interface ClaimRow {
  owner: string;
  host: string;
  pid: number;
  beat_at: number;
}

/** Who is at work on which job, so that two processes on one store do not do the same work twice. */
export class Claims {
  readonly #database: Database.Database;

  constructor(database: Database.Database) {
    this.#database = database;
  }

  isHeldByAnother(key: string, owner: string): boolean {
    const held = this.#database.prepare<[string], ClaimRow>('SELECT * FROM claims WHERE job_key = ?').get(key);
    return held !== undefined && held.owner !== owner && lives(held);
  }

  take(key: string, owner: string): Claim {
    this.#database
      .prepare('INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?)')
      .run(key, owner, hostname(), process.pid, Date.now());
    return 'mine';
  }

  beat(owner: string): void {
    this.#database.prepare('UPDATE claims SET beat_at = ? WHERE owner = ?').run(Date.now(), owner);
  }

  release(owner: string, key?: string): void {
    this.#database
      .prepare('DELETE FROM claims WHERE owner = @owner AND job_key = ifnull(@key, job_key)')
      .run({ owner, key: key ?? null });
  }
}

/** On this machine a dead process is known at once; elsewhere its silence tells. */
function lives({ host, pid, beat_at }: ClaimRow): boolean {
  if (Math.abs(Date.now() - beat_at) > claimExpiryMs) return false;
  if (host !== hostname()) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM';
  }
}

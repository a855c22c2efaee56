import { readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dir } from 'tmp-promise';

const prefix = 'kval-scratch';
const sweepAfterMs = 3_600_000;

/** Runs one piece of work in an empty folder that is gone afterwards, whatever happened. */
export async function inScratchFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const { path, cleanup } = await dir({ prefix: `${prefix}-${process.pid}`, unsafeCleanup: true });
  try {
    return await work(path);
  } finally {
    await cleanup().catch(() => remove(path));
  }
}

/** Removes folders that killed processes of ours left behind. */
export function sweepScratchFolders(folder: string = tmpdir(), now: number = Date.now()): void {
  for (const entry of entriesOf(folder)) {
    const pid = new RegExp(`^${prefix}-(\\d+)-`).exec(entry)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const path = join(folder, entry);
    // Somebody's process may be invisible from here (another container on the same /tmp): only old folders go.
    if (now - changedAt(path) > sweepAfterMs) remove(path);
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  } catch {
    // Not ours, or still being written to; the next sweep comes.
  }
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function changedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM';
  }
}

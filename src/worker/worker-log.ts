import { closeSync, mkdirSync, openSync, readdirSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const tailBytes = 16 * 1024;
const excerptLines = 20;
const fileBytes = 16 * 2 ** 20;
const keptMs = 7 * 24 * 3_600_000;

/** What a worker writes on stderr: its tail in memory, the rest in a file that appears with the first byte. */
export interface WorkerLog {
  write(piece: Buffer): void;
  /** The last lines, and where the rest is, ready to stand at the end of a message; empty when nothing was written. */
  excerpt(): string;
  close(): void;
}

export function openWorkerLog(folder: string, name: string): WorkerLog {
  const file = join(folder, `${name.replace(/[^\w.-]+/g, '-')}-${process.pid}.log`);
  let tail: Buffer = Buffer.alloc(0);
  let descriptor: number | null | undefined;
  let written = 0;

  function write(piece: Buffer): void {
    tail = Buffer.concat([tail, piece]).subarray(-tailBytes);
    if (descriptor === undefined) descriptor = openFile(folder, file);
    if (descriptor === null || written > fileBytes) return;
    written += piece.length;
    try {
      writeSync(descriptor, written > fileBytes ? Buffer.from('\n(the rest is left out)\n') : piece);
    } catch {
      descriptor = null; // a full disk must not take the worker with it
    }
  }

  function excerpt(): string {
    const lines = tail.toString('utf8').trimEnd().split('\n').slice(-excerptLines);
    if (lines.join('') === '') return '';
    return `; it last wrote:\n${lines.join('\n')}\n${descriptor === null ? '' : `(log: ${file})`}`.trimEnd();
  }

  function close(): void {
    if (typeof descriptor === 'number') closeSync(descriptor);
    descriptor = null;
  }

  return { write, excerpt, close };
}

/** Removes logs that nobody has written to for a week. */
export function pruneWorkerLogs(folder: string, now: number = Date.now()): void {
  try {
    for (const entry of readdirSync(folder)) {
      const file = join(folder, entry);
      if (entry.endsWith('.log') && now - statSync(file).mtimeMs > keptMs) unlinkSync(file);
    }
  } catch {
    // Another process tidies up at the same time, or there is no such folder yet.
  }
}

function openFile(folder: string, file: string): number | null {
  try {
    mkdirSync(folder, { recursive: true });
    return openSync(file, 'a');
  } catch {
    return null;
  }
}

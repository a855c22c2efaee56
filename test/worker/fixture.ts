import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { WorkerOptions } from '../../src/worker/process.js';

const folder = join(import.meta.dirname, '..', 'fixtures', 'workers');

/** The command that starts one of the small workers in `test/fixtures/workers`. */
export function fixtureCommand(name: string, ...args: string[]): [string, ...string[]] {
  return ['python3', join(folder, `${name}.py`), ...args];
}

export const fixtureEnvironment = {
  PATH: process.env.PATH ?? '',
  PYTHONUNBUFFERED: '1',
  PYTHONDONTWRITEBYTECODE: '1',
};

/** A folder that is gone when the test ends. */
export function testFolder(): string {
  const made = mkdtempSync(join(tmpdir(), 'kval-test-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

export function fixtureOptions(name: string, changes: Partial<WorkerOptions> = {}): WorkerOptions {
  return {
    command: fixtureCommand(name),
    environment: fixtureEnvironment,
    name: `the ${name} worker`,
    logFolder: join(testFolder(), 'logs'),
    ...changes,
  };
}

export const buildParams = {
  candidate: { source: 'hello', language: 'python' as const },
  problem: null,
  settings: {
    arch: 'sm_90',
    path: 'auto' as const,
    buildTimeoutMs: 1_000,
    cacheFolder: '/nowhere',
    cacheMaxBytes: 0,
  },
  folder: '/nowhere',
};

export async function isAlive(pid: number): Promise<boolean> {
  // A killed process is a zombie until it is reaped; by then it runs no more.
  for (let tries = 0; tries < 50; tries++) {
    try {
      process.kill(pid, 0);
    } catch {
      return false;
    }
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  return true;
}

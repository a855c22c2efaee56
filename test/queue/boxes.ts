import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { z } from 'zod';
import { type Job, makeCandidate, type Settings, settingsSchema } from '../../src/candidate.js';
import { makeProblem } from '../../src/problem.js';
import { type SecondProcess, secondProcess } from '../labels/second-process.js';
import { fixtureCommand } from '../worker/fixture.js';
import type { serveOptionsSchema } from './serve-queue.js';

export const kval = '0.1.0';

export type BoxOptions = Partial<z.input<typeof serveOptionsSchema>> & { devices?: number };

/** A worker process that takes jobs from `url`; killed when the test ends. */
export async function box(url: string, options: BoxOptions = {}): Promise<SecondProcess> {
  const started = await startBox(url, options);
  onTestFinished(async () => {
    started.child.kill('SIGKILL');
    await started.ended;
  });
  return started;
}

export async function startBox(url: string, { devices = 0, ...changes }: BoxOptions = {}): Promise<SecondProcess> {
  const home = mkdtempSync(join(tmpdir(), 'kval-box-'));
  const options: z.input<typeof serveOptionsSchema> = {
    url,
    kval,
    home,
    command: fixtureCommand('obedient', String(devices)),
    lanes: devices === 0 ? { none: 2 } : { none: 2, cuda: devices },
    lockMs: 30_000,
    drainMs: 10_000,
    ...changes,
  };
  const started = secondProcess('../queue/serve-queue.ts', JSON.stringify(options));
  void started.ended.then(() => rmSync(home, { recursive: true, force: true }));
  await started.line('serving');
  return started;
}

/** A job whose candidate tells the pretending worker what to do: see `test/fixtures/workers/obedient.py`. */
export function job(source: string, settings: Partial<Settings> = {}): Job {
  const problem = makeProblem({ set: 'starter', level: 1, number: 1, name: 'x', source: 'class Model: pass' });
  const candidate = makeCandidate({ source, problemId: problem.id, origin: { generator: 'gpt' } });
  return { problem, candidate, settings: settingsSchema.parse(settings) };
}

/** How often a job with `logs:<file>` was begun. */
export function begun(file: string): number {
  return existsSync(file) ? readFileSync(file, 'utf8').length : 0;
}

export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 30_000; // a test that fails must not go on in the next one's time
  while (Date.now() < end && !(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

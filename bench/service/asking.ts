import { setTimeout as sleep } from 'node:timers/promises';
import { dir } from 'tmp-promise';
import { z } from 'zod';
import type { Config } from '../../src/config.js';
import type { Kernels } from './kernels.js';
import { type Server, type ServerOptions, startServer } from './server.js';

export interface Bench {
  readonly config: Config;
  readonly kernels: Kernels;
}

/** What came of a fault, and whether that is right. */
export interface Found {
  readonly passed: boolean;
  readonly what: string;
}

export type Fault = (bench: Bench) => Promise<Found>;

/** A server of its own for one fault; it is gone afterwards, whatever has become of it. */
export async function withServer(
  config: Config,
  options: Partial<ServerOptions> & { readonly mode?: string },
  look: (server: Server, home: string) => Promise<Found>,
): Promise<Found> {
  const { mode = 'simulated', args = [], ...rest } = options;
  return withFolder(async (home) => {
    const server = await startServer(config, { ...rest, home, args: ['--mode', mode, ...args] });
    try {
      return await look(server, home);
    } finally {
      server.child.kill('SIGKILL');
      await server.child;
    }
  });
}

export async function withFolder<T>(use: (path: string) => Promise<T>): Promise<T> {
  const folder = await dir({ unsafeCleanup: true });
  try {
    return await use(folder.path);
  } finally {
    await folder.cleanup();
  }
}

export function post(
  server: Server,
  path: string,
  body: string,
  { headers = {}, signal }: { headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Response> {
  return fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
    ...(signal === undefined ? {} : { signal }),
  });
}

export async function text(server: Server, path: string): Promise<string> {
  return (await fetch(`${server.url}${path}`)).text();
}

/** The id of a job that was accepted, else the status of the refusal. */
export async function submit(server: Server, kernels: Kernels, number: number): Promise<string | number> {
  const headers = { 'idempotency-key': `job-${number}` };
  const answer = await post(server, '/v1/jobs', kernels.body(number), { headers });
  return answer.status === 202 ? jobSchema.parse(await answer.json()).id : answer.status;
}

/** Each job once it has ended, or after a long wait. */
export async function jobsOf(server: Server, ids: readonly string[]): Promise<Job[]> {
  const found = [];
  for (const id of ids) found.push(jobSchema.parse(JSON.parse(await text(server, `/v1/jobs/${id}?wait=120`))));
  return found;
}

/** How many jobs of the second list have another answer there than in the first. */
export function answeredAnew(first: readonly Job[], second: readonly Job[]): number {
  const known = new Map(first.map((job) => [job.id, JSON.stringify(job.result)]));
  return second.filter((job) => job.status === 'done' && known.get(job.id) !== JSON.stringify(job.result)).length;
}

export function countDone(jobs: readonly Job[]): number {
  return jobs.filter(({ status }) => status === 'done').length;
}

/** Waits, and tells whether it came so far. */
export async function until(holds: () => boolean | Promise<boolean>, seconds = 30): Promise<boolean> {
  for (const end = performance.now() + 1_000 * seconds; performance.now() < end; await sleep(100)) {
    if (await holds()) return true;
  }
  return false;
}

const jobSchema = z.object({ id: z.string(), status: z.string(), result: z.unknown().optional() });
export type Job = z.infer<typeof jobSchema>;
export const errorBody = z.object({ error: z.object({ code: z.string(), fix: z.string() }) });

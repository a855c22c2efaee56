import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { dir } from 'tmp-promise';
import { type Settings, settingsSchema } from '../../src/candidate.js';
import { readConfig } from '../../src/config.js';
import { Kval, type ValidatorConfig } from '../../src/kval.js';
import { type AppOptions, buildApp } from '../../src/service/app.js';
import { openIdempotency } from '../../src/service/idempotency.js';
import { type JobsOptions, openJobs } from '../../src/service/jobs.js';
import { openJudge } from '../../src/service/judge.js';
import { type Modes, openModes, type Present } from '../../src/service/modes.js';
import { openProbe } from '../../src/service/probe.js';
import { openStore } from '../../src/service/store.js';
import { openTally } from '../../src/service/tally.js';

export interface Service {
  readonly url: string;
  readonly kval: Kval;
  readonly modes: Modes;
  ask(path: string, options?: Ask): Promise<Answer>;
  close(): Promise<void>;
}

export interface Ask {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what was answered is looked at key by key
  readonly json: any;
}

/** The service on a free port of 127.0.0.1 with a home of its own. */
export async function openService(
  options: Partial<AppOptions> & {
    readonly config?: ValidatorConfig;
    readonly settings?: Partial<Settings>;
    readonly home?: string;
    readonly queueLimit?: number;
    readonly jobs?: never;
    readonly jobOptions?: Partial<JobsOptions>;
    /** As `kval serve` does: whoever it needs may not be there. */
    readonly atOnce?: boolean;
  } = {},
): Promise<Service> {
  const { config = { mode: 'simulated' }, settings = {}, home, queueLimit = 1_000, jobOptions = {}, ...rest } = options;
  const { atOnce = false, ...app } = rest;
  const folder = home === undefined ? await dir({ unsafeCleanup: true }) : null;
  const at = home ?? folder?.path ?? '';
  const kval = new Kval({ ...readConfig({}), home: at });
  const { mode, ...own } = config;
  const modes = openModes({ kval, first: { mode }, own });
  if (!atOnce) await modes.opened;
  const judge = await openJudge({
    kval,
    modes,
    settings: settingsSchema.parse(settings),
    reward: 'kevin',
    queueLimit,
    onReply: (reply, verdict) => tally.reply(reply, verdict),
  });
  const tally = openTally(() => judge.pending());
  const database = openStore({ path: join(at, 'service.db') });
  const jobs = openJobs({
    database,
    judge: (request, call) => judge.judge(request, call),
    concurrency: 8,
    ...jobOptions,
  });
  const probe = openProbe(kval, modes);
  const idempotency = openIdempotency(database);
  const parts = { kval, judge, jobs, tally, probe, idempotency, token: null };
  const built = await buildApp({ ...parts, logLevel: 'silent', ...app });
  await built.http.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${portOf(built.http.server.address())}`;
  return {
    url,
    kval,
    modes,
    ask: (path, wanted) => ask(`${url}${path}`, wanted),
    async close() {
      await built.drain();
      await jobs.close();
      await modes.close();
      database.close();
      await kval.close();
      await folder?.cleanup();
    },
  };
}

/** One validator for good. */
export function onlyMode(present: Present): Modes {
  return {
    present: () => present,
    chosenBy: () => 'default',
    missing: () => null,
    opened: Promise.resolve(),
    lend: (use) => use(present),
    change: async () => {},
    close: async () => {},
  };
}

export async function ask(url: string, { method, body, headers = {}, signal }: Ask = {}): Promise<Answer> {
  const response = await fetch(url, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : null };
}

export function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('the service has no port');
  return address.port;
}

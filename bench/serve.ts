import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { dir } from 'tmp-promise';
import { makeCandidate, settingsSchema } from '../src/candidate.js';
import { readConfig } from '../src/config.js';
import { Kval } from '../src/kval.js';
import { table } from '../src/print.js';
import { circumstancesOf, writeResults } from './results.js';
import { fourKilobyteKernels, type Kernels } from './service/kernels.js';
import { type Server, startServer } from './service/server.js';
import { untilStopped } from './until-stopped.js';

/**
 * `kval serve --mode simulated` under load on loopback: throughput, latency and memory with new kernels and with known
 * ones, bursts as a Dr.Kernel step sends them, memory over many requests, and what the service costs over the bare
 * simulator. Client and server share this machine's processors.
 */
export async function main(args: readonly string[]): Promise<void> {
  await untilStopped(() => measure(args));
}

const options = {
  /** Of each load, after a second of warm-up. */
  seconds: { type: 'string', default: '4' },
  connections: { type: 'string', default: '1,32,256,1024' },
  requests: { type: 'string', default: '100000' },
} as const;

async function measure(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options });
  const config = readConfig();
  const kernels = fourKilobyteKernels(config);
  const load = { before: loadavg() };
  const folder = await dir({ unsafeCleanup: true });
  const server = await startServer(config, { home: folder.path, args: ['--mode', 'simulated'] });
  try {
    await runLoad(server, kernels, { connections: 32, duration: 2, fresh: true });
    const bare = await besideBare(new Kval({ ...config, home: join(folder.path, 'bare') }), server, kernels);
    const overheadMs = bare.requestMs - bare.bareMs;
    const loads = [];
    for (const connections of values.connections.split(',').map(Number)) {
      for (const fresh of [true, false]) {
        loads.push(await runLoad(server, kernels, { connections, duration: Number(values.seconds), fresh }));
      }
    }
    const bursts = [await burst(server, kernels, 0), await burst(server, kernels, 0.5)];
    const memory = await memoryOver(server, kernels, Number(values.requests));
    await writeResults(config, 'serve', {
      ...circumstancesOf('bench:serve', args),
      loadAverage: { ...load, after: loadavg() },
      ...bare,
      overheadMs,
      loads,
      bursts,
      memory,
    });
    print(loads, bursts, memory, { ...bare, overheadMs });
  } finally {
    await server.stop();
    await folder.cleanup();
  }
}

let next = 0;

interface Load {
  readonly connections: number;
  readonly kernels: 'new' | 'known';
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failures: number;
  readonly rssMib: number;
}

async function runLoad(
  server: Server,
  kernels: Kernels,
  { fresh, ...how }: { connections: number; fresh: boolean; duration?: number; amount?: number },
): Promise<Load> {
  const known = kernels.body(0);
  const result = await autocannon({
    url: `${server.url}/v1/validate`,
    timeout: 60,
    ...how,
    requests: [
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        setupRequest: (request) => {
          if (fresh) next += 1;
          return { ...request, body: fresh ? kernels.body(next) : known };
        },
      },
    ],
  });
  return {
    connections: how.connections,
    kernels: fresh ? 'new' : 'known',
    perSecond: result['2xx'] / result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    failures: result.non2xx + result.errors + result.timeouts,
    rssMib: server.rssMib(),
  };
}

interface Burst {
  readonly requests: number;
  readonly duplicates: number;
  readonly seconds: number;
  readonly slowestMs: number;
  readonly failures: number;
}

/** All at once, each on a connection of its own: a share of them are kernels that others of the same burst have too. */
async function burst(server: Server, kernels: Kernels, duplicates: number): Promise<Burst> {
  const requests = 768;
  const distinct = Math.round(requests * (1 - duplicates));
  const first = next + 1;
  next += distinct;
  const startedAt = performance.now();
  const answers = await Promise.all(
    Array.from({ length: requests }, async (_, index) => {
      const response = await fetch(`${server.url}/v1/validate`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: kernels.body(first + (index % distinct)),
      });
      await response.arrayBuffer();
      return { ok: response.ok, ms: performance.now() - startedAt };
    }),
  );
  return {
    requests,
    duplicates,
    seconds: (performance.now() - startedAt) / 1_000,
    slowestMs: Math.max(...answers.map(({ ms }) => ms)),
    failures: answers.filter(({ ok }) => !ok).length,
  };
}

/** Resident memory after each tenth of the requests; one in four is new, so that what is remembered fills and turns over. */
async function memoryOver(
  server: Server,
  kernels: Kernels,
  requests: number,
): Promise<{ after: number; rssMib: number }[]> {
  const samples = [];
  for (let tenth = 1; tenth <= 10; tenth += 1) {
    await runLoad(server, kernels, { connections: 32, fresh: true, amount: requests / 40 });
    await runLoad(server, kernels, { connections: 32, fresh: false, amount: (3 * requests) / 40 });
    samples.push({ after: (tenth * requests) / 10, rssMib: server.rssMib() });
  }
  return samples;
}

/**
 * Milliseconds of one prediction without a service, and of one request for one, each the median of as many different
 * kernels, asked in turn so that whatever else the machine does is done to both. The client's own time is in the second.
 */
async function besideBare(
  kval: Kval,
  server: Server,
  kernels: Kernels,
): Promise<{ bareMs: number; requestMs: number }> {
  const simulated = await kval.simulated();
  const problem = (await kval.store()).problem(kernels.problemId);
  if (problem === null) throw new Error('a store has the starter problems');
  const settings = settingsSchema.parse({});
  const took: { bare: number; request: number }[] = [];
  for (let pair = 1; pair <= 1_500; pair += 1) {
    const startedAt = performance.now();
    const candidate = makeCandidate({ source: kernels.source(-pair), problemId: problem.id });
    await simulated.validate({ problem, candidate, settings });
    const between = performance.now();
    next += 1;
    const response = await fetch(`${server.url}/v1/validate`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: kernels.body(next),
    });
    await response.json();
    took.push({ bare: between - startedAt, request: performance.now() - between });
  }
  await simulated.close();
  await kval.close();
  const median = (values: number[]): number => values.toSorted((x, y) => x - y)[Math.floor(values.length / 2)] ?? 0;
  const warm = took.slice(500);
  return { bareMs: median(warm.map(({ bare }) => bare)), requestMs: median(warm.map(({ request }) => request)) };
}

function print(
  loads: readonly Load[],
  bursts: readonly Burst[],
  memory: readonly { after: number; rssMib: number }[],
  { bareMs, requestMs, overheadMs }: { bareMs: number; requestMs: number; overheadMs: number },
): void {
  const loadRows = loads.map((load) => [
    String(load.connections),
    load.kernels,
    load.perSecond.toFixed(0),
    String(load.p50Ms),
    String(load.p99Ms),
    load.rssMib.toFixed(0),
    String(load.failures),
  ]);
  const burstRows = bursts.map((one) => [
    String(one.requests),
    `${(100 * one.duplicates).toFixed(0)}%`,
    one.seconds.toFixed(2),
    one.slowestMs.toFixed(0),
    String(one.failures),
  ]);
  const lines = [
    table(['connections', 'kernels', 'verdicts/s', 'p50 ms', 'p99 ms', 'RSS MiB', 'failures'], loadRows),
    table(['burst', 'duplicates', 'seconds', 'slowest ms', 'failures'], burstRows),
    `RSS MiB after so many requests: ${memory.map(({ after, rssMib }) => `${after} ${rssMib.toFixed(0)}`).join(', ')}`,
    `bare simulator ${bareMs.toFixed(2)} ms a kernel, a request ${requestMs.toFixed(2)} ms: the service and its client add ${overheadMs.toFixed(2)} ms`,
    `load average ${loadavg()
      .map((one) => one.toFixed(1))
      .join(' ')}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type Job, settingsSchema } from '../src/candidate.js';
import { print } from '../src/commands/run.js';
import { type Config, readConfig } from '../src/config.js';
import { medianOf, quantileOf } from '../src/report/metrics.js';
import { openEmbeddedSimulator } from '../src/simulator/embedded.js';
import type { Simulator } from '../src/simulator/simulator.js';
import { openCorpora } from './corpora.js';
import { circumstancesOf, writeResults } from './results.js';

/**
 * What a verdict of the shipped simulator costs: load time, one verdict on one core, verdicts a second on two, beside what
 * the harness needed to build the same kernels.
 */
export async function main(args: readonly string[]): Promise<void> {
  const config = readConfig();
  if (isMainThread) await measure(config, args);
  else await judge(config, workerData.jobs);
}

const rounds = 3;
const cores = 2;

async function measure(config: Config, args: readonly string[]): Promise<void> {
  const corpora = await openCorpora(config);
  const settings = settingsSchema.parse({});
  const jobs = (await corpora.candidates('techno')).flatMap(({ candidate }): Job[] => {
    const problem = corpora.problems.get(candidate.problemId);
    return problem === undefined ? [] : [{ problem, candidate, settings }];
  });
  const loads = [];
  for (let round = 0; round < rounds; round += 1) {
    const stop = startClock();
    await open(config);
    loads.push(stop());
  }
  const simulator = await open(config);
  const alike = jobs.filter(({ candidate }) => candidate.source.length >= 5500 && candidate.source.length <= 6500);
  for (const job of jobs) await simulator.predict(job);
  const single: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const job of alike) {
      const stop = startClock();
      await simulator.predict(job);
      single.push(stop().ms);
    }
  }
  const batch = await judgeOnThreads(config, jobs);
  const builds = alike.flatMap(({ candidate }) => corpora.builds.get(candidate.hash)?.ms ?? []);
  const results = {
    ...circumstancesOf('bench:simulate', args),
    model: simulator.model,
    shippedBytes: await shippedBytes(config),
    loadAverage: loadavg()[0],
    firstLoad: loads[0],
    loadMs: medianOf(loads.map(({ ms }) => ms)),
    loadCpuMs: medianOf(loads.map(({ cpuMs }) => cpuMs)),
    verdict: { kernels: alike.length, rounds, medianMs: medianOf(single), p90Ms: quantileOf(single, 0.9) },
    batch: { kernels: jobs.length, threads: cores, ...batch },
    realBuild: { kernels: builds.length, medianMs: medianOf(builds) },
  };
  await writeResults(config, 'simulate', results);
  const { firstLoad, verdict, realBuild } = results;
  const line = (name: string, value: number | null | undefined, digits: number, unit = ''): void =>
    print(`${name.padEnd(62)}${(value?.toFixed(digits) ?? '-').padStart(8)} ${unit}`);
  line('shipped', results.shippedBytes / 1e6, 2, 'MB');
  line('load average of the machine meanwhile', results.loadAverage, 1);
  line('first load', firstLoad?.ms, 0, 'ms');
  line('first load, processor time', firstLoad?.cpuMs, 0, 'ms');
  line('load, median', results.loadMs, 0, 'ms');
  line('load, processor time', results.loadCpuMs, 0, 'ms');
  line(`a verdict from text, median of ${alike.length} kernels of 6 KB, one core`, verdict.medianMs, 2, 'ms');
  line('a verdict from text, 90th percentile', verdict.p90Ms, 2, 'ms');
  line(`verdicts a second, ${jobs.length} kernels, ${cores} threads`, batch.verdictsPerSecond, 0);
  line('verdicts a second of processor time', batch.verdictsPerCpuSecond, 0);
  line(`the harness's fast build of ${builds.length} of the same kernels, median`, realBuild.medianMs, 0, 'ms');
}

function open({ embeddedModelFolder: folder }: Config): Promise<Simulator> {
  return openEmbeddedSimulator({ folder });
}

/** Threads are started and have loaded the model before the clock runs. */
async function judgeOnThreads(
  { root }: Config,
  jobs: readonly Job[],
): Promise<{ verdictsPerSecond: number; verdictsPerCpuSecond: number }> {
  const workers = Array.from(
    { length: cores },
    (_, place) =>
      new Worker(join(root, 'bench', 'run.mjs'), {
        argv: [join(root, 'bench', 'simulate.ts')],
        workerData: { jobs: jobs.filter((_job, at) => at % cores === place) },
      }),
  );
  const heard = (): Promise<unknown> => Promise.all(workers.map((worker) => once(worker, 'message')));
  await heard();
  const stop = startClock();
  const done = heard();
  for (const worker of workers) worker.postMessage('go');
  await done;
  const { ms, cpuMs } = stop();
  await Promise.all(workers.map((worker) => worker.terminate()));
  const verdicts = jobs.length * rounds;
  return { verdictsPerSecond: (1000 * verdicts) / ms, verdictsPerCpuSecond: (1000 * verdicts) / cpuMs };
}

async function judge(config: Config, jobs: readonly Job[]): Promise<void> {
  const simulator = await open(config);
  for (const job of jobs) await simulator.predict(job);
  parentPort?.postMessage('ready');
  if (parentPort !== null) await once(parentPort, 'message');
  for (let round = 0; round < rounds; round += 1) for (const job of jobs) await simulator.predict(job);
  parentPort?.postMessage('done');
}

/** Time that passed and processor time of all threads: on a machine that does other work the two differ. */
function startClock(): () => { ms: number; cpuMs: number } {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return { ms: performance.now() - start, cpuMs: (user + system) / 1000 };
  };
}

async function shippedBytes({ embeddedModelFolder }: Config): Promise<number> {
  const files = ['model.json', 'model.json.gz', 'calibration.json', 'metrics.json', 'README.md'];
  const sizes = await Promise.all(
    files.map((name) =>
      stat(join(embeddedModelFolder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

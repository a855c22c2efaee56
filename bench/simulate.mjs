// What a verdict of the shipped simulator costs: load time, one verdict on one core, verdicts a second on two, beside what
// the harness needed to build the same kernels. Kernels come from the corpora (`KVAL_CORPORA`).
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { settingsSchema } from '../dist/candidate.js';
import { readConfig } from '../dist/config.js';
import { readCandidates } from '../dist/import/candidates.js';
import { readProblems } from '../dist/import/problems.js';
import { medianOf, quantileOf } from '../dist/report/metrics.js';
import { openEmbeddedSimulator } from '../dist/simulator/embedded.js';

const rounds = 3;
const cores = 2;
const config = readConfig();
if (isMainThread) await main();
else await judge(workerData.jobs);

async function main() {
  if (config.corporaFolder === null) {
    console.error('no corpora; set KVAL_CORPORA to the folder that holds candidates-*.jsonl');
    process.exit(1);
  }
  const jobs = await readJobs(config.corporaFolder);
  const loads = [];
  let simulator;
  for (let round = 0; round < rounds; round += 1) {
    const stop = clock();
    simulator = await openEmbeddedSimulator({ folder: config.embeddedModelFolder });
    loads.push(stop());
  }
  const alike = jobs.filter(({ candidate }) => candidate.source.length >= 5500 && candidate.source.length <= 6500);
  for (const job of jobs) await simulator.predict(job);
  const single = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const job of alike) {
      const start = performance.now();
      await simulator.predict(job);
      single.push(performance.now() - start);
    }
  }
  const { perSecond, perCpuSecond } = await batch(jobs);
  const real = buildTimes(alike);
  const results = {
    command: ['node', 'bench/simulate.mjs', ...process.argv.slice(2)].join(' '),
    versions: { node: process.version },
    machine: { cpus: cpus().length, processor: cpus()[0]?.model ?? '' },
    model: simulator.model,
    shippedBytes: ['model.json', 'model.json.gz', 'calibration.json', 'metrics.json', 'README.md'].reduce(
      (sum, name) => sum + (statSync(join(config.embeddedModelFolder, name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    ),
    loadAverage: loadavg()[0],
    firstLoad: loads[0],
    loadMs: medianOf(loads.map(({ ms }) => ms)),
    loadCpuMs: medianOf(loads.map(({ cpuMs }) => cpuMs)),
    verdict: { kernels: alike.length, rounds, medianMs: medianOf(single), p90Ms: quantileOf(single, 0.9) },
    batch: { kernels: jobs.length, threads: cores, verdictsPerSecond: perSecond, verdictsPerCpuSecond: perCpuSecond },
    realBuild: { kernels: real.length, medianMs: medianOf(real) },
  };
  writeFileSync(join(config.root, 'bench', 'results', 'simulate.json'), `${JSON.stringify(results, null, 2)}\n`);
  const line = (name, value) => console.log(`${name.padEnd(58)}${value.padStart(14)}`);
  line('shipped', `${(results.shippedBytes / 1e6).toFixed(2)} MB`);
  line('load average of the machine meanwhile', results.loadAverage.toFixed(1));
  line('first load', `${results.firstLoad.ms.toFixed(0)} ms`);
  line('first load, processor time', `${results.firstLoad.cpuMs.toFixed(0)} ms`);
  line('load, median', `${results.loadMs.toFixed(0)} ms`);
  line('load, processor time', `${results.loadCpuMs.toFixed(0)} ms`);
  line(
    `a verdict from text, median of ${alike.length} kernels of 6 KB, one core`,
    `${results.verdict.medianMs.toFixed(2)} ms`,
  );
  line('a verdict from text, 90th percentile', `${results.verdict.p90Ms.toFixed(2)} ms`);
  line(`verdicts a second, ${jobs.length} kernels, ${cores} threads`, perSecond.toFixed(0));
  line('verdicts a second of processor time', perCpuSecond.toFixed(0));
  line(
    `the harness's fast build of ${real.length} of the same kernels, median`,
    `${results.realBuild.medianMs?.toFixed(0) ?? '-'} ms`,
  );
}

async function readJobs(folder) {
  const problems = new Map(
    (await readProblems(join(folder, 'kernelbench-problems.jsonl'))).items.map((one) => [one.id, one]),
  );
  const { items } = await readCandidates(join(folder, 'candidates-techno.jsonl'));
  return items.flatMap(({ candidate }) => {
    const problem = problems.get(candidate.problemId);
    return problem === undefined ? [] : [{ problem, candidate, settings: settingsSchema.parse({}) }];
  });
}

/** Threads are started and have loaded the model before the clock runs. */
async function batch(jobs) {
  const workers = Array.from(
    { length: cores },
    (_, place) =>
      new Worker(new URL(import.meta.url), { workerData: { jobs: jobs.filter((_job, at) => at % cores === place) } }),
  );
  const next = (worker) => new Promise((settle, fail) => worker.once('message', settle).once('error', fail));
  await Promise.all(workers.map(next));
  const stop = clock();
  const done = workers.map(next);
  for (const worker of workers) worker.postMessage('go');
  await Promise.all(done);
  const { ms, cpuMs } = stop();
  await Promise.all(workers.map((worker) => worker.terminate()));
  const verdicts = jobs.length * rounds;
  return { perSecond: (1000 * verdicts) / ms, perCpuSecond: (1000 * verdicts) / cpuMs };
}

/** Time that passed and processor time of all threads: on a machine that does other work the two differ. */
function clock() {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return { ms: performance.now() - start, cpuMs: (user + system) / 1000 };
  };
}

async function judge(jobs) {
  const simulator = await openEmbeddedSimulator({ folder: config.embeddedModelFolder });
  for (const job of jobs) await simulator.predict(job);
  parentPort.postMessage('ready');
  await once(parentPort, 'message');
  for (let round = 0; round < rounds; round += 1) for (const job of jobs) await simulator.predict(job);
  parentPort.postMessage('done');
}

function buildTimes(jobs) {
  const lines = readFileSync(join(config.root, 'bench', 'results', 'embedded-builds.jsonl'), 'utf8').split('\n');
  const times = new Map(
    lines
      .filter((line) => line !== '')
      .map(JSON.parse)
      .map((one) => [one.candidate, one.ms]),
  );
  return jobs.flatMap(({ candidate }) => times.get(candidate.hash) ?? []);
}

import { mkdirSync } from 'node:fs';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeCandidate } from '../src/candidate.js';
import { end, stop } from '../src/commands/run.js';
import { readConfig } from '../src/config.js';
import { KvalError } from '../src/errors.js';
import { readProblems } from '../src/import/problems.js';
import { LabelStore } from '../src/labels/store.js';
import { table } from '../src/print.js';
import type { Problem } from '../src/problem.js';
import { openProgress } from '../src/progress.js';
import { describeMachine } from '../src/report/environment.js';
import { openEmbeddedSimulator } from '../src/simulator/embedded.js';
import { createRealValidator } from '../src/validator/real.js';
import { armsOf } from './rl/arms.js';
import { allActions, type ProblemName, problemNames } from './rl/kernels.js';
import { renderCurves } from './rl/page.js';
import { columns, rowsOf, summarise } from './rl/summary.js';
import { type Bench, jobOf, type Run, type Training, train } from './rl/train.js';

/**
 * The paper's three curves (arXiv 2512.04535) on a small scale: agents that learn to write kernels for starter problems
 * under real, simulated and mixed verdicts on the device `cpu`, compared at the end by real verdicts alone. What was
 * measured is kept in the store, and finished runs beside it: run again, it goes on.
 */
export async function main(args: readonly string[]): Promise<void> {
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => stop.abort(new KvalError('interrupted', `stopped by ${name}`)));
  }
  await compare(args).catch(end);
}

async function compare(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      steps: { type: 'string', default: '60' },
      seeds: { type: 'string', default: '3' },
      group: { type: 'string', default: '6' },
      problems: { type: 'string', default: problemNames.join() },
      /** A simulator's folder, and what it learned from in words; the shipped one without it. */
      model: { type: 'string' },
      'trained-on': { type: 'string', default: 'what the card in models/embedded says' },
    },
  });
  const [steps = 60, seeds = 3, group = 6] = [values.steps, values.seeds, values.group].map(Number);
  const read = readConfig();
  const home = join(read.home, 'bench-rl');
  mkdirSync(home, { recursive: true });
  // One worker and a build cache of its own: what is billed is what one kernel takes that nobody has built before.
  const config = { ...read, buildCacheFolder: join(home, 'builds'), workers: 1 };
  const problems = await problemsOf(values.problems.split(','), config.starterFolder);
  const simulator = await openEmbeddedSimulator({ folder: values.model ?? config.embeddedModelFolder });
  const store = LabelStore.open(join(home, 'labels.db'));
  const bench = { problems, real: createRealValidator({ config }), store, simulator, signal: stop.signal };
  const runs: Run[] = [];
  try {
    if (store.counts().labels === 0) await prepare(bench);
    const kept = join(home, 'runs.jsonl');
    const finished = await keptRuns(kept);
    for (const arm of armsOf(steps)) {
      for (let seed = 1; seed <= seeds; seed += 1) {
        const training: Training = { arm, seed, steps, group, rate: 3, checkpoints: 10, samplesAtCheckpoint: 12 };
        const key = JSON.stringify([
          training,
          [...problems.keys()],
          arm.simulator === 'given' && simulator.calibration,
        ]);
        const run = finished.get(key) ?? (await watch(training, bench));
        if (!finished.has(key)) await appendFile(kept, `${JSON.stringify({ key, run })}\n`);
        runs.push(run);
      }
    }
  } finally {
    await bench.real.close();
    store.close();
  }

  const summary = summarise(runs);
  const { engine, model, calibration } = simulator;
  const about = {
    command: `npm run bench:rl -- --steps ${steps} --seeds ${seeds} --group ${group} --problems ${[...problems.keys()].join()}`,
    machine: describeMachine(null),
    simulator: { engine, model, calibration, trainedOn: values['trained-on'] },
    settings: {
      steps,
      seeds,
      group,
      problems: [...problems.keys()],
      device: 'cpu',
      reward: '0.2 compiled + 0.8 correct',
    },
  };
  const out = join(config.root, 'bench', 'results');
  await writeFile(join(out, 'rl.json'), `${JSON.stringify({ about, summary, runs }, rounded)}\n`);
  await writeFile(join(out, 'rl.html'), renderCurves(runs, summary, about));
  process.stdout.write(`${table(columns, rowsOf(summary))}\nbench/results/rl.html\n`);
}

async function problemsOf(wanted: readonly string[], folder: string): Promise<Map<ProblemName, Problem>> {
  const starter = (await readProblems(folder)).items;
  const found = problemNames
    .filter((name) => wanted.includes(name))
    .flatMap((name) => {
      const problem = starter.find(({ id }) => id === `starter/level1/${name.split('_')[0]}`);
      return problem === undefined ? [] : [[name, problem] as const];
    });
  if (found.length === 0) throw new KvalError('usage', `--problems takes some of ${problemNames.join()}`);
  return new Map(found);
}

/** The first build and the first execution of all prepare what the others share; that is on nobody's bill. */
async function prepare(bench: Bench): Promise<void> {
  const [name] = bench.problems.keys();
  const [action] = allActions();
  if (name === undefined || action === undefined) return;
  const job = jobOf(bench, name, action);
  const candidate = makeCandidate({ ...job.candidate, source: `# never seen again\n${job.candidate.source}` });
  await bench.real.validate({ ...job, candidate }, { signal: bench.signal });
}

async function watch(training: Training, bench: Bench): Promise<Run> {
  const progress = openProgress(`${training.arm.name}, seed ${training.seed}: steps`);
  const run = train(training, bench, (step) => progress.update(step, training.steps));
  return run.finally(() => progress.close());
}

/** Half a line of a run that was killed is no run. */
async function keptRuns(path: string): Promise<Map<string, Run>> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const found = new Map<string, Run>();
  for (const line of text.split('\n')) {
    try {
      const { key, run }: { key: string; run: Run } = JSON.parse(line);
      found.set(key, run);
    } catch {}
  }
  return found;
}

/** A tenth of a millisecond is more than these times are good for. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toFixed(4)) : value;
}

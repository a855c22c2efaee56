import { mkdirSync } from 'node:fs';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeCandidate } from '../src/candidate.js';
import { stop } from '../src/commands/run.js';
import { readConfig } from '../src/config.js';
import { KvalError } from '../src/errors.js';
import { readProblems } from '../src/import/problems.js';
import { Kval } from '../src/kval.js';
import { LabelStore } from '../src/labels/store.js';
import { table } from '../src/print.js';
import { type Problem, sha256 } from '../src/problem.js';
import { openProgress } from '../src/progress.js';
import { thisMachine } from '../src/report/environment.js';
import { openEmbeddedSimulator } from '../src/simulator/embedded.js';
import { createRealValidator } from '../src/validator/real.js';
import { commandOf } from './results.js';
import { armsOf } from './rl/arms.js';
import { type Action, allActions, type ProblemName, problemNames } from './rl/kernels.js';
import { renderCurves } from './rl/page.js';
import { isRecorded } from './rl/recorded.js';
import { learnSimulator } from './rl/simulator.js';
import { columns, rowsOf, summarise } from './rl/summary.js';
import { type Bench, jobOf, type Run, rewardWords, type Training, train } from './rl/train.js';
import { untilStopped } from './until-stopped.js';

/**
 * The paper's three curves (arXiv 2512.04535) on a small scale: agents that learn to write kernels for starter problems
 * under real, simulated and mixed verdicts on the device `cpu`, compared at the end by real verdicts alone. What was
 * measured is kept in the store, and finished runs beside it: run again, it goes on.
 */
export async function main(args: readonly string[]): Promise<void> {
  await untilStopped(() => compare(args));
}

const options = {
  steps: { type: 'string', default: '40' },
  seeds: { type: 'string', default: '3' },
  group: { type: 'string', default: '6' },
  problems: { type: 'string', default: '26_Softmax,1_Square_matmul' },
  /** The simulator learns from so many labelled kernels of each other problem, */
  learn: { type: 'string', default: '32' },
  /** unless the folder of one that is there already is named. */
  model: { type: 'string' },
  /** Only kernels whose verdicts are in the store, for a machine that is too busy to measure more. */
  'measured-only': { type: 'boolean', default: false },
} as const;

async function compare(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options });
  const [steps = 40, seeds = 3, group = 6, perProblem = 32] = [
    values.steps,
    values.seeds,
    values.group,
    values.learn,
  ].map(Number);
  const read = readConfig();
  const home = join(read.home, 'bench-rl');
  mkdirSync(home, { recursive: true });
  // One worker and a build cache of its own: what is billed is what one kernel takes that nobody has built before.
  const config = { ...read, buildCacheFolder: join(home, 'builds'), workers: 1 };
  const wanted = values.problems.split(',');
  const problems = await problemsOf((name) => wanted.includes(name), config.starterFolder);
  const others = await problemsOf((name) => !wanted.includes(name), config.starterFolder);
  const store = LabelStore.open(join(home, 'labels.db'));
  const every = new Map([...problems, ...others]);
  const measured = new Set(
    kernelsOf(every.keys())
      .filter((kernel) => isRecorded(store, jobOf({ problems: every }, ...kernel)))
      .map(wordsOf),
  );
  const allowed: Bench['allowed'] = (...kernel) => !values['measured-only'] || measured.has(wordsOf(kernel));
  const harness = { real: createRealValidator({ config }), store, signal: stop.signal, allowed };
  try {
    if (store.counts().labels === 0) await prepare(harness.real, problems);
    const learned =
      values.model === undefined
        ? await learnSimulator(harness, others, { config, home, perProblem })
        : { folder: values.model, trainedOn: `what the card of ${values.model} says`, labelledMs: 0 };
    const simulator = await openEmbeddedSimulator({ folder: learned.folder });
    const runs = await trainAll({ steps, seeds, group }, { ...harness, problems, simulator }, join(home, 'runs.jsonl'));
    const summary = summarise(runs);
    const about = {
      kval: new Kval(config).version,
      command: commandOf('bench:rl', args),
      machine: thisMachine(),
      simulator: { ...learned, folder: null, model: simulator.model, calibration: simulator.calibration },
      settings: {
        steps,
        seeds,
        group,
        problems: [...problems.keys()],
        kernels: kernelsOf(problems.keys()).filter((kernel) => allowed(...kernel)).length,
        device: 'cpu',
        reward: rewardWords,
      },
    };
    const out = join(config.root, 'bench', 'results');
    await writeFile(join(out, 'rl.json'), `${JSON.stringify({ about, summary, runs }, rounded)}\n`);
    await writeFile(join(out, 'rl.html'), renderCurves(runs, summary, about));
    process.stdout.write(`${table(columns, rowsOf(summary))}\nbench/results/rl.html\n`);
  } finally {
    await harness.real.close();
    store.close();
  }
}

type Kernel = readonly [name: ProblemName, action: Action];

function kernelsOf(names: Iterable<ProblemName>): Kernel[] {
  return [...names].flatMap((name) => allActions().map((action): Kernel => [name, action]));
}

function wordsOf([name, action]: Kernel): string {
  return [name, ...Object.values(action)].join(' ');
}

async function problemsOf(
  wanted: (name: ProblemName) => boolean,
  folder: string,
): Promise<ReadonlyMap<ProblemName, Problem>> {
  const starter = (await readProblems(folder)).items;
  const found = problemNames.filter(wanted).flatMap((name) => {
    const problem = starter.find(({ id }) => id === `starter/level1/${name.split('_')[0]}`);
    return problem === undefined ? [] : [[name, problem] as const];
  });
  if (found.length === 0) throw new KvalError('usage', `--problems takes some, not all, of ${problemNames.join()}`);
  return new Map(found);
}

/** Every judge with every seed; finished runs are kept, and not run again. */
async function trainAll(
  { seeds, ...common }: { steps: number; seeds: number; group: number },
  bench: Bench,
  kept: string,
): Promise<Run[]> {
  const finished = await keptRuns(kept);
  const runs: Run[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    for (const arm of armsOf(common.steps)) {
      const training: Training = { ...common, arm, seed, rate: 3, checkpoints: 10, samplesAtCheckpoint: 12 };
      const given = arm.simulator === 'given' ? bench.simulator.calibration : '';
      const written = kernelsOf(bench.problems.keys()).filter((kernel) => bench.allowed(...kernel));
      const key = sha256(JSON.stringify(training), JSON.stringify(written), given);
      const run = finished.get(key) ?? (await watch(training, bench));
      if (!finished.has(key)) await appendFile(kept, `${JSON.stringify({ key, run })}\n`);
      runs.push(run);
    }
  }
  return runs;
}

/** The first build and the first execution of all prepare what the others share; that is on nobody's bill. */
async function prepare(real: Bench['real'], problems: Bench['problems']): Promise<void> {
  const [name] = problems.keys();
  const [action] = allActions();
  if (name === undefined || action === undefined) return;
  const job = jobOf({ problems }, name, action);
  const candidate = makeCandidate({ ...job.candidate, source: `# never seen again\n${job.candidate.source}` });
  await real.validate({ ...job, candidate }, { signal: stop.signal });
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

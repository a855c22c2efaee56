import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { print, stop } from '../src/commands/run.js';
import { childEnvironment, readConfig } from '../src/config.js';
import { featureVersion } from '../src/simulator/features.js';
import { openCorpora } from './corpora.js';
import { measure } from './embedded/figures.js';
import { readFolds, trainFolds } from './embedded/folds.js';
import { lineOf, predict } from './embedded/predict.js';
import { corpusRows } from './embedded/rows.js';
import { ship } from './embedded/ship.js';
import { tableOf } from './embedded/table.js';
import { circumstancesOf, commandOf, writeResults } from './results.js';
import { untilStopped } from './until-stopped.js';

/**
 * How good the embedded simulator is on kernels, problems and generators that it never saw: features here (where they are
 * computed for use, too), folds and models in `embedded.py`. `--help` tells the options.
 */
export async function main(args: readonly string[]): Promise<void> {
  await untilStopped(() => judge(args));
}

const script = 'bench:embedded';

async function judge(args: readonly string[]): Promise<void> {
  const config = readConfig();
  const home = join(config.home, 'embedded');
  const { values } = parseArgs({
    args: [...args],
    options: {
      predictions: { type: 'string', default: join(home, 'predictions.jsonl') },
      seed: { type: 'string', default: '1' },
      'report-only': { type: 'boolean', default: false },
      ship: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    print(`npm run ${script} -- [--predictions FILE] [--seed N] [--report-only] [--ship FOLDER]
Out-of-fold predictions go to FILE as JSON Lines (default ${values.predictions}). --report-only prints what the last run
measured; --ship trains on all rows and writes the model that ships, with the figures of the last run in its card.`);
    return;
  }
  const rows = await corpusRows(await openCorpora(config), config);
  const training = {
    root: config.root,
    python: config.python,
    environment: { ...childEnvironment(config), OMP_NUM_THREADS: '1' },
    seed: Number(values.seed),
    signal: stop.signal,
    command: commandOf(script, args),
  };
  if (values.ship !== undefined) {
    await ship(rows, values.ship, config, {
      ...training,
      onProgress: ({ stage, done, total }) => print(`${stage} ${done}/${total}`),
    });
    return;
  }
  await mkdir(home, { recursive: true });
  if (!values['report-only']) await trainFolds(rows, home, training);
  const folds = await readFolds(home);
  const guesses = folds.flatMap((fold) => predict(fold, rows));
  await mkdir(dirname(resolve(values.predictions)), { recursive: true });
  await writeFile(values.predictions, guesses.map((one) => `${lineOf(one)}\n`).join(''));
  const figures = measure(guesses, folds, rows);
  const circumstances = circumstancesOf(script, args, { features: featureVersion });
  await writeResults(config, 'embedded', { ...circumstances, seed: training.seed, ...figures });
  print(tableOf(figures));
}

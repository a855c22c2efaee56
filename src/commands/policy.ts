import { type Command, Option } from 'commander';
import { KvalError } from '../errors.js';
import { table } from '../print.js';
import { number, storeOption } from './options.js';
import { print, run, stop } from './run.js';

/** From predictions beside labels to a hybrid's policy. */
export function policyCommands(program: Command): void {
  program
    .command('tune-policy')
    .description("draw how much execution a wanted error costs, and choose a hybrid's thresholds for it")
    .addOption(
      new Option('--predictions <file>', "JSON Lines of a simulator's predictions beside labels").conflicts([
        'dataset',
        'model',
      ]),
    )
    .option('--dataset <folder>', 'a data set whose test split the simulator is asked about')
    .option('--model <folder>', 'the simulator; the one that ships without it')
    .option('--max-error <share>', 'wrong verdicts that are acceptable, of all kernels', number, 0.02)
    .option('--aim <share>', 'choose thresholds for this error instead, to have room to spare', number)
    .addOption(
      new Option(
        '--mode <mode>',
        'which mixture the policy file gets; the one with the fewest executions without it',
      ).choices(['confidence', 'build-first', 'build-first-two']),
    )
    .addOption(
      new Option('--split <kind>', 'which predictions the policy file is tuned on; the first without it').choices([
        'problem',
        'generator',
        'random',
      ]),
    )
    .option('--out <file>', 'the policy, with its frontier beside it as .report.json and .html', 'policy.json')
    .addOption(storeOption())
    .action((options) =>
      run(options, async (kval) => {
        if (options.predictions === undefined && options.dataset === undefined) {
          throw new KvalError('usage', 'tune-policy needs --predictions FILE or --dataset FOLDER');
        }
        const { columns, rows, verdicts, chosen, files } = await kval.tunePolicy({ ...options, signal: stop.signal });
        print(table(columns, rows));
        for (const verdict of verdicts) print(verdict);
        print(`policy (${chosen}): ${files.policy}`);
        print(`frontier: ${files.html}`);
      }),
    );
}

import { join } from 'node:path';
import { Argument, type Command } from 'commander';
import { readConfig } from '../config.js';
import { healthy } from '../doctor.js';
import { errorTable } from '../errors.js';
import { table } from '../print.js';
import { quickstart } from '../quickstart.js';
import { jsonOption } from './options.js';
import { print, run, say, stop } from './run.js';

/** What concerns the machine: the whole loop on it, what it can do, its build cache. */
export function machineCommands(program: Command): void {
  program
    .command('quickstart')
    .description('label the shipped kernels, learn from them, judge held-out ones, write a report')
    .option('--folder <folder>', 'where everything goes; run again, it goes on from what is there')
    .action(({ folder }: { folder?: string }) => {
      const place = folder ?? join(readConfig().home, 'quickstart');
      return run({ store: join(place, 'labels.db') }, (kval) =>
        quickstart(kval, { folder: place, signal: stop.signal, say, print }),
      );
    });

  program
    .command('doctor')
    .description('what this machine can do, what is missing, what that costs, and what mends it')
    .addOption(jsonOption())
    .action((options: { json?: boolean }) =>
      run({}, async (kval) => {
        const checks = await kval.doctor();
        if (options.json) return print(JSON.stringify(checks, null, 2));
        print(
          table(
            ['', 'what', 'found', 'without it', 'mended by'],
            checks.map(({ status, name, found, cost, mend }) => [status, name, found, cost, mend]),
            [9, 18, 56, 38, 32],
          ),
        );
        if (!healthy(checks)) process.exitCode = errorTable['toolchain-missing'].exit;
      }),
    );

  program
    .command('cache')
    .description('the build cache: show, prune or clear it')
    .addArgument(new Argument('[action]').choices(['show', 'prune', 'clear']).default('show'))
    .action((action: 'show' | 'prune' | 'clear') =>
      run({}, async (kval) => print(JSON.stringify(await kval.cache(action, stop.signal), null, 2))),
    );
}

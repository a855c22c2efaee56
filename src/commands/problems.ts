import type { Command } from 'commander';
import { errorTable } from '../errors.js';
import { selectProblems } from '../labels/select.js';
import { describeImport, table } from '../print.js';
import { jsonOption, positive, storeOption } from './options.js';
import { print, run, stop } from './run.js';

/** Problems: list, bring in, admit. */
export function problemCommands(program: Command): void {
  const problems = program.command('problems').description('the problems that kernels are written for');

  problems
    .command('list')
    .argument('[which]', 'all, a set, a level or ids', 'all')
    .addOption(storeOption())
    .addOption(jsonOption())
    .action((which: string, options: { store?: string; json?: boolean }) =>
      run(options, async (kval) => {
        const chosen = selectProblems(await kval.store(), which);
        if (options.json) return print(JSON.stringify(chosen, null, 2));
        print(
          table(
            ['id', 'name', 'small size', 'source'],
            chosen.map(({ id, name, hasSmall, sourceHash }) => [
              id,
              name,
              hasSmall ? 'yes' : '',
              sourceHash.slice(0, 12),
            ]),
          ),
        );
      }),
    );

  problems
    .command('import')
    .description('bring problems in: a KernelBench checkout, a parquet or JSON Lines file')
    .argument('<path>')
    .option('--set <name>', 'name of the set; the official one without it')
    .addOption(storeOption())
    .action((path: string, options: { set?: string; store?: string }) =>
      run(options, async (kval) => {
        const counts = await kval.importProblems(path, { ...options, signal: stop.signal });
        print(describeImport('problems', counts));
      }),
    );

  problems
    .command('check')
    .description('reject problems that zeros, a constant, the mean or a copy of an input would pass')
    .argument('[which]', 'all, a set, a level or ids', 'starter')
    .option('--full', 'at full size; without it at the small one where a problem has one')
    .option('--tolerance <number>', 'absolute and relative', positive)
    .addOption(storeOption())
    .action((which: string, options: { full?: boolean; tolerance?: number; store?: string }) =>
      run(options, async (kval) => {
        let rejected = 0;
        const chosen = selectProblems(await kval.store(), which);
        for await (const { problem, admitted, findings } of kval.checkProblems(chosen, {
          small: options.full !== true,
          tolerance: options.tolerance ?? null,
          signal: stop.signal,
        })) {
          if (!admitted) rejected += 1;
          print(`${admitted ? 'admitted' : 'REJECTED'}  ${problem.id}  ${problem.name}`);
          for (const { kind, message } of findings) print(`          ${kind}: ${message}`);
        }
        print(`${chosen.length} problems, ${chosen.length - rejected} admitted, ${rejected} rejected`);
        if (rejected > 0) process.exitCode = errorTable['bad-input'].exit;
      }),
    );
}

import { type Command, Option } from 'commander';
import { settingsSchema } from '../candidate.js';
import { KvalError } from '../errors.js';
import type { Mode } from '../kval.js';
import { describeVerdict } from '../print.js';
import { openProgress } from '../progress.js';
import { renderTerminal } from '../report/render-terminal.js';
import { deviceOption, fullSizeOption, jsonOption, sandboxOption, smallOption, storeOption } from './options.js';
import { print, run, settingsOf, stop } from './run.js';

/** Verdicts: one, or many compared. */
export function judgeCommands(program: Command): void {
  program
    .command('validate')
    .description('judge one candidate')
    .argument('<file>', 'a Python file with ModelNew, or a .cu file')
    .requiredOption('--problem <id>')
    .addOption(new Option('--mode <mode>', 'who judges').choices(['real', 'simulated', 'hybrid']).default('real'))
    .addOption(deviceOption())
    .addOption(sandboxOption())
    .option('--arch <arch>')
    .addOption(smallOption())
    .addOption(fullSizeOption())
    .option('--model <folder>', 'the simulator; the one that ships without it')
    .option('--policy <file>', 'of a hybrid, as `kval tune-policy` writes it; build-first without it')
    .addOption(storeOption())
    .addOption(jsonOption())
    .action((file: string, options) =>
      run(options, async (kval) => {
        const mode: Mode = options.mode;
        if (options.policy !== undefined && mode !== 'hybrid') {
          throw new KvalError('usage', '--policy is of a hybrid: add --mode hybrid');
        }
        const job = await kval.job(
          file,
          options.problem,
          mode === 'simulated' ? settingsSchema.parse({}) : await settingsOf(kval, options),
        );
        const validator = await kval.validator({
          mode,
          ...(options.model === undefined ? {} : { model: options.model }),
          ...(options.policy === undefined ? {} : { policy: options.policy }),
        });
        try {
          const verdict = await validator.validate(job, { signal: stop.signal });
          print(options.json ? JSON.stringify(verdict, null, 2) : describeVerdict(verdict));
        } finally {
          await validator.close();
        }
      }),
    );

  program
    .command('report')
    .description('compare predicted with measured on the held-out split of a data set')
    .requiredOption('--dataset <folder>')
    .option('--model <folder...>', 'trained simulators; the one that ships without it')
    .option('--title <title>', 'of the report', 'Predicted against measured')
    .option('--out <folder>', 'where report.html, report.md and report.json go', 'report')
    .addOption(storeOption())
    .action((options) =>
      run(options, async (kval) => {
        const progress = openProgress('kernels');
        const { report, files } = await kval
          .report({
            dataset: options.dataset,
            models: options.model ?? [kval.config.embeddedModelFolder],
            title: options.title,
            commands: [`kval ${process.argv.slice(2).join(' ')}`],
            notes: [],
            outFolder: options.out,
            signal: stop.signal,
            onProgress: (done, total) => progress.update(done, total),
          })
          .finally(() => progress.close());
        print(renderTerminal(report, { colour: process.stdout.isTTY === true }));
        print(`report: ${files.html}`);
      }),
    );
}

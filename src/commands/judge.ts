import { type Command, Option } from 'commander';
import { settingsSchema } from '../candidate.js';
import { KvalError } from '../errors.js';
import type { Mode } from '../kval.js';
import { describeVerdict } from '../print.js';
import { openProgress } from '../progress.js';
import { renderAgentTerminal } from '../report/agents/render.js';
import { renderTerminal } from '../report/render-terminal.js';
import {
  deviceOption,
  fullSizeOption,
  jsonOption,
  queueOption,
  sandboxOption,
  smallOption,
  storeOption,
  whole,
} from './options.js';
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
    .addOption(queueOption())
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
    .description('how good a simulator is (--dataset), or how well agents did (--runs)')
    .option('--dataset <folder>', 'predicted against measured on the held-out split of this data set')
    .option(
      '--runs <path...>',
      "KernelBench runs folders, or any other of `kval import`'s formats: success, pass@k, speed-ups",
    )
    .option('--baseline <file>', "KernelBench's reference times, results/timing/<hardware>/<name>.json (with --runs)")
    .option('--set <name>', 'the problem set of the runs (with --runs)')
    .option('--level <number>', 'the level of the runs, where nothing says it (with --runs)', whole)
    .option('--model <folder...>', 'trained simulators; with --dataset the one that ships without it')
    .option('--title <title>', 'of the report')
    .option('--out <folder>', 'where report.html, report.md and report.json go', 'report')
    .addOption(storeOption())
    .action((options) =>
      run(options, async (kval) => {
        const { dataset, runs, baseline = null, set, level, model, title, out: outFolder } = options;
        if ((dataset === undefined) === (runs === undefined)) {
          throw new KvalError('usage', 'a report is about either --dataset or --runs');
        }
        const progress = openProgress('kernels');
        const common = {
          commands: [`kval ${process.argv.slice(2).join(' ')}`],
          outFolder,
          signal: stop.signal,
          onProgress: (done: number, total: number) => progress.update(done, total),
        };
        const colour = process.stdout.isTTY === true;
        const made = async (): Promise<{ text: string; html: string }> => {
          if (dataset !== undefined) {
            const models = model ?? [kval.config.embeddedModelFolder];
            const words = { title: title ?? 'Predicted against measured', notes: [] };
            const { report, files } = await kval.report({ ...common, ...words, dataset, models });
            return { text: renderTerminal(report, { colour }), html: files.html };
          }
          const read = { ...(set === undefined ? {} : { set }), ...(level === undefined ? {} : { level }) };
          const about = { runs, baseline, read, models: model ?? [], title: title ?? 'Agents and their kernels' };
          const { report, files } = await kval.agentReport({ ...common, ...about });
          return { text: renderAgentTerminal(report, { colour }), html: files.html };
        };
        const { text, html } = await made().finally(() => progress.close());
        print(text);
        print(`report: ${html}`);
      }),
    );
}

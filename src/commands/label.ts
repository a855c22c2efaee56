import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { errorTable, KvalError } from '../errors.js';
import { exportLabels, importLabels } from '../labels/exchange.js';
import { describeLabel, outcomeCounts, table } from '../print.js';
import { openProgress } from '../progress.js';
import {
  deviceOption,
  fullSizeOption,
  jsonOption,
  positive,
  queueOption,
  sandboxOption,
  smallOption,
  storeOption,
  whole,
} from './options.js';
import { print, run, settingsOf, stop } from './run.js';

/** Labels: make, look at, carry. */
export function labelCommands(program: Command): void {
  program
    .command('label')
    .description('judge candidates for real and keep what was measured; continues where it was stopped')
    .option('--problems <which>', 'all, a set, a level or ids', 'all')
    .option('--candidates <which>', 'all, or generators, sources, or beginnings of hashes', 'all')
    .option('--limit <number>', 'a random sample of so many candidates', whole)
    .option('--seed <number>', 'which sample', whole, 1)
    .addOption(deviceOption())
    .addOption(sandboxOption())
    .addOption(queueOption())
    .option('--arch <arch>', "architecture to build for, such as sm_90 (default: the device's)")
    .addOption(smallOption())
    .addOption(fullSizeOption())
    .addOption(
      new Option('--precision <precision>', 'of inputs and weights').choices(['fp32', 'fp16', 'bf16']).default('fp32'),
    )
    .option('--trials <number>', 'correctness trials, each with inputs of its own', whole, 5)
    .option('--timing-trials <number>', 'timed calls', whole, 100)
    .addOption(
      new Option('--build-path <path>', 'auto: fast, and stock where fast cannot say')
        .choices(['auto', 'fast', 'stock'])
        .default('auto'),
    )
    .option('--build-timeout <seconds>', 'for one candidate', positive, 600)
    .option('--execute-timeout <seconds>', 'for one candidate', positive, 180)
    .addOption(
      new Option('--compat <rules>', 'whose rules of correctness').choices(['kval', 'kernelbench']).default('kval'),
    )
    .addOption(storeOption())
    .action((options) =>
      run(options, async (kval) => {
        const progress = openProgress('kernels');
        const report = await kval
          .label({
            problems: options.problems,
            candidates: {
              words: options.candidates,
              seed: options.seed,
              ...(options.limit === undefined ? {} : { limit: options.limit }),
            },
            settings: await settingsOf(kval, options),
            signal: stop.signal,
            onProgress: ({ done, total }) => progress.update(done, total),
          })
          .finally(() => progress.close());
        print(outcomeCounts(report));
        if (report.failures.length > 0) process.exitCode = errorTable.instrument.exit;
        if (report.stopped) process.exitCode = errorTable.interrupted.exit;
      }),
    );

  const labels = program.command('labels').description('what was measured');

  const labelFilters = (command: Command): Command =>
    command
      .option('--problem <id>')
      .option('--set <name>', 'only problems of this set')
      .option('--generator <name>')
      .option('--candidate <hash>', 'a candidate hash, or its beginning')
      .addOption(storeOption());

  labelFilters(labels.command('list'))
    .option('--limit <number>', 'the newest so many', whole, 50)
    .addOption(jsonOption())
    .action(({ json, problem, store, ...filter }) =>
      run({ store }, async (kval) => {
        const rows = (await kval.store()).list({ ...filter, ...(problem === undefined ? {} : { problemId: problem }) });
        if (json) return print(JSON.stringify(rows, null, 2));
        print(
          table(
            ['candidate', 'problem', 'status', 'fidelity', 'generator', 'when'],
            rows.map((row) => [
              row.candidateHash.slice(0, 12),
              row.problemId,
              row.status,
              row.fidelity,
              row.generator,
              row.createdAt,
            ]),
          ),
        );
      }),
    );

  labels
    .command('show')
    .argument('<candidate>', 'a candidate hash, or its beginning')
    .option('--log', "with the compilers' full output")
    .addOption(storeOption())
    .addOption(jsonOption())
    .action((candidate: string, options: { store?: string; json?: boolean; log?: boolean }) =>
      run(options, async (kval) => {
        let shown = 0;
        for (const label of (await kval.store()).iterate({ candidate })) {
          shown += 1;
          print(options.json ? JSON.stringify(label) : describeLabel(label, { log: options.log === true }));
        }
        if (shown === 0) throw new KvalError('not-found', `no label of a candidate ${candidate}`);
      }),
    );

  labelFilters(labels.command('export').argument('<file>', 'JSON Lines; compressed when it ends in .gz')).action(
    (file: string, { problem, store, ...filter }) =>
      run({ store }, async (kval) => {
        const count = await exportLabels(await kval.store(), file, {
          filter: { ...filter, ...(problem === undefined ? {} : { problemId: problem }) },
          signal: stop.signal,
        });
        print(`${count} labels written to ${resolve(file)}`);
      }),
  );

  labels
    .command('pack')
    .description('write every label as a folder to ship: compressed, without logs, with manifest and card')
    .argument('<folder>')
    .option('--command <text...>', 'the commands that made the labels, for the card', [])
    .option('--note <text...>', 'what else is to be known, for the card', [])
    .addOption(storeOption())
    .action((folder: string, options: { store?: string; command: string[]; note: string[] }) =>
      run(options, async (kval) => {
        const { command: commands, note: notes } = options;
        const { file } = await kval.pack(folder, { commands, notes, signal: stop.signal });
        print(`${file.labels} labels, ${file.bytes} bytes, in ${resolve(folder)}`);
      }),
    );

  labels
    .command('import')
    .argument('<file>', 'JSON Lines as `kval labels export` writes them')
    .addOption(storeOption())
    .action((file: string, options: { store?: string }) =>
      run(options, async (kval) => {
        const report = await importLabels(await kval.store(), file, { signal: stop.signal });
        for (const { line, reason } of report.malformed) print(`line ${line}: ${reason}`);
        print(
          `${report.read} lines: ${report.added} labels added, ${report.already} known already, ${report.malformedCount} malformed`,
        );
      }),
    );
}

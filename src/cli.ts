#!/usr/bin/env node
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type Settings, settingsSchema } from './candidate.js';
import { readConfig } from './config.js';
import { healthy } from './doctor.js';
import { errorTable, KvalError, toKvalError } from './errors.js';
import { candidateFormats } from './import/candidates.js';
import { Kval, type Mode } from './kval.js';
import { exportLabels, importLabels } from './labels/exchange.js';
import { selectProblems } from './labels/select.js';
import { describeImport, describeLabel, describeVerdict, outcomeCounts, table } from './print.js';
import { openProgress } from './progress.js';
import { quickstart } from './quickstart.js';
import { renderTerminal } from './report/render-terminal.js';

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (stop.signal.aborted) process.exit(errorTable.interrupted.exit);
    process.stderr.write('\nstopping; what is finished is kept (once more: stop at once)\n');
    stop.abort(new KvalError('interrupted', `stopped by ${name}`));
  });
}

const program = new Command('kval')
  .description('Judges CUDA kernels, and learns to judge them without running them.')
  .showHelpAfterError()
  .configureHelp({ sortSubcommands: false });

const storeOption = (): Option =>
  new Option('--store <file>', "the label store (made where there is none; default: labels.db in kval's home)");
const jsonOption = (): Option => new Option('--json', 'machine-readable output');

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

program
  .command('import')
  .description('bring candidates in, with what others published about them')
  .argument('<path>', 'a runs folder, JSON Lines, parquet, a folder of sources, a file, or - for standard input')
  .addOption(new Option('--format <format>').choices(candidateFormats).default('auto'))
  .option('--problem <id>', 'the problem of every candidate read')
  .option('--set <name>', 'the problem set that numbers belong to')
  .option('--level <number>', 'the level, where nothing says it', whole)
  .option('--generator <name>', 'who wrote the candidates')
  .option('--source <name>', 'the publication they come from')
  .addOption(storeOption())
  .action((path: string, { store, ...options }) =>
    run({ store }, async (kval) =>
      print(describeImport('candidates', await kval.import(path, { ...options, signal: stop.signal }))),
    ),
  );

program
  .command('generate')
  .description('sample candidates from an OpenAI-compatible endpoint into a KernelBench runs folder')
  .requiredOption('--problems <which>', 'all, a set, a level or ids')
  .requiredOption('--out <folder>', 'the runs folder; a run that was stopped continues in it')
  .option('--samples <number>', 'samples for each problem', whole, 1)
  .option('--model <name>', 'default: KVAL_ENDPOINT_MODEL')
  .option('--endpoint <url>', 'default: OPENAI_BASE_URL')
  .option('--concurrency <number>', 'requests at once', whole, 8)
  .option('--temperature <number>', 'sampling temperature', number, 0.8)
  .option('--max-tokens <number>', 'of an answer', whole, 16_384)
  .addOption(storeOption())
  .action((options) =>
    run(options, async (kval) => {
      const model = options.model ?? kval.config.endpoint.model;
      if (model === null) throw new KvalError('usage', 'which model? Name it with --model or KVAL_ENDPOINT_MODEL');
      const progress = openProgress('samples');
      const done = await kval
        .generate({
          problems: selectProblems(await kval.store(), options.problems),
          samples: options.samples,
          endpoint: {
            baseUrl: options.endpoint ?? kval.config.endpoint.baseUrl,
            apiKey: kval.config.endpoint.apiKey,
            model,
          },
          outFolder: options.out,
          concurrency: options.concurrency,
          temperature: options.temperature,
          maxTokens: options.maxTokens,
          signal: stop.signal,
          onProgress: ({ done, total }) => progress.update(done, total),
        })
        .finally(() => progress.close());
      const { kept, written, withoutCode, failed, usage, failures } = done;
      for (const { problemId, sample, message } of failures) print(`${problemId} sample ${sample}: ${message}`);
      print(`${written} written, ${kept} kept from before, ${withoutCode} answers without code, ${failed} failed`);
      print(`tokens: ${JSON.stringify(usage)}`);
      print(`next: kval import ${options.out}`);
    }),
  );

program
  .command('label')
  .description('judge candidates for real and keep what was measured; continues where it was stopped')
  .option('--problems <which>', 'all, a set, a level or ids', 'all')
  .option('--candidates <which>', 'all, or generators, sources, or beginnings of hashes', 'all')
  .option('--limit <number>', 'a random sample of so many candidates', whole)
  .option('--seed <number>', 'which sample', whole, 1)
  .addOption(new Option('--device <device>').choices(['auto', 'cuda', 'none']).default('auto'))
  .option('--arch <arch>', "architecture to build for, such as sm_90 (default: the device's)")
  .option('--small', 'the small size of problems that have one')
  .addOption(new Option('--precision <precision>').choices(['fp32', 'fp16', 'bf16']).default('fp32'))
  .option('--trials <number>', 'correctness trials, each with inputs of its own', whole, 5)
  .option('--timing-trials <number>', 'timed calls', whole, 100)
  .addOption(new Option('--build-path <path>').choices(['auto', 'fast', 'stock']).default('auto'))
  .option('--build-timeout <seconds>', 'for one candidate', positive, 600)
  .option('--execute-timeout <seconds>', 'for one candidate', positive, 180)
  .addOption(new Option('--compat <rules>').choices(['kval', 'kernelbench']).default('kval'))
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

program
  .command('dataset')
  .description('fine-tuning sets')
  .command('build')
  .description("make a fine-tuning set in GTM's tool template from labels")
  .requiredOption('--out <folder>')
  .addOption(
    new Option('--labels <whose>', 'our own, published ones, or both')
      .choices(['harness', 'published', 'any'])
      .default('harness'),
  )
  .addOption(new Option('--split <kind>').choices(['problem', 'generator', 'random']).default('problem'))
  .option('--seed <number>', 'which split', whole, 1)
  .option('--validation <share>', 'of the validation split', number, 0.1)
  .option('--test <share>', 'of the test split', number, 0.2)
  .option('--gzip', 'compress the rows')
  .addOption(storeOption())
  .action((options) =>
    run(options, async (kval) => {
      const { labels: whose, split, seed, validation, test, gzip } = options;
      const manifest = await kval.dataset(options.out, {
        labels: whose,
        split,
        seed,
        shares: { validation, test },
        gzip: gzip === true,
        signal: stop.signal,
      });
      const { train, validation: held, test: tested } = manifest.splits;
      print(
        `${resolve(options.out)}: ${train.rows} rows to train, ${held.rows} to validate, ${tested.rows} to test (by ${split}), id ${manifest.id.slice(0, 12)}`,
      );
      for (const [reason, count] of Object.entries(manifest.filtered))
        if (count > 0) print(`left out, ${reason}: ${count}`);
    }),
  );

program
  .command('finetune')
  .description('train a simulator on a data set')
  .addOption(new Option('--recipe <recipe>').choices(['embedded']).default('embedded'))
  .requiredOption('--dataset <folder>')
  .requiredOption('--out <folder>', "the model's folder")
  .action((options: { dataset: string; out: string }) =>
    run({}, async (kval) => {
      const stages = new Map<string, ReturnType<typeof openProgress>>();
      await kval
        .finetune({
          datasetFolder: options.dataset,
          outFolder: options.out,
          signal: stop.signal,
          onProgress: ({ stage, done, total }) => {
            const line = stages.get(stage) ?? openProgress(stage);
            stages.set(stage, line);
            line.update(done, total);
          },
        })
        .finally(() => {
          for (const line of stages.values()) line.close();
        });
      print(`the model and its card are in ${resolve(options.out)}`);
    }),
  );

program
  .command('validate')
  .description('judge one candidate')
  .argument('<file>', 'a Python file with ModelNew, or a .cu file')
  .requiredOption('--problem <id>')
  .addOption(new Option('--mode <mode>').choices(['real', 'simulated', 'hybrid']).default('real'))
  .addOption(new Option('--device <device>').choices(['auto', 'cuda', 'none']).default('auto'))
  .option('--arch <arch>')
  .option('--small', 'the small size of the problem')
  .option('--model <folder>', 'the simulator; the one that ships without it')
  .addOption(storeOption())
  .addOption(jsonOption())
  .action((file: string, options) =>
    run(options, async (kval) => {
      const mode: Mode = options.mode;
      const job = await kval.job(
        file,
        options.problem,
        mode === 'simulated' ? settingsSchema.parse({}) : await settingsOf(kval, options),
      );
      const validator = await kval.validator({
        mode,
        ...(options.model === undefined ? {} : { model: options.model }),
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

program
  .command('cache')
  .description('the build cache: show, prune or clear it')
  .addOption(new Option('--do <what>').choices(['show', 'prune', 'clear']).default('show'))
  .action((options: { do: 'show' | 'prune' | 'clear' }) =>
    run({}, async (kval) => print(JSON.stringify(await kval.cache(options.do), null, 2))),
  );

await program.parseAsync().catch((thrown: unknown) => end(thrown));

async function run(options: { store?: string }, verb: (kval: Kval) => Promise<void>): Promise<void> {
  let kval: Kval | undefined;
  try {
    kval = new Kval(readConfig(), options.store === undefined ? {} : { store: options.store });
    await verb(kval);
  } catch (thrown) {
    end(thrown);
  } finally {
    await kval?.close();
  }
}

/** `auto`: a GPU where there is one; the architecture is the device's unless it is named. */
async function settingsOf(
  kval: Kval,
  options: { device: 'auto' | 'cuda' | 'none'; arch?: string; buildTimeout?: number; executeTimeout?: number } & Record<
    string,
    unknown
  >,
): Promise<Settings> {
  const { devices } = await kval.hello(stop.signal);
  const [first] = devices;
  const { buildTimeout, executeTimeout } = options;
  return settingsSchema.parse({
    ...options,
    device: options.device === 'auto' ? (first === undefined ? 'none' : 'cuda') : options.device,
    arch: options.arch ?? (first === undefined ? undefined : `sm_${first.computeCapability.replace('.', '')}`),
    ...(buildTimeout === undefined ? {} : { buildTimeoutMs: buildTimeout * 1_000 }),
    ...(executeTimeout === undefined ? {} : { executeTimeoutMs: executeTimeout * 1_000 }),
  });
}

function end(thrown: unknown): void {
  const error = toKvalError(thrown);
  process.stderr.write(`kval: ${error.message}\n${error.fix}\n`);
  if (error.code === 'internal' && error.cause instanceof Error) process.stderr.write(`${error.cause.stack ?? ''}\n`);
  process.exitCode = error.exitStatus;
}

function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('a whole number is needed');
  return value;
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('a number is needed');
  return value;
}

function positive(text: string): number {
  const value = number(text);
  if (value <= 0) throw new InvalidArgumentError('a number above zero is needed');
  return value;
}

import { type Command, Option } from 'commander';
import { KvalError } from '../errors.js';
import { candidateFormats } from '../import/candidates.js';
import { selectProblems } from '../labels/select.js';
import { describeImport } from '../print.js';
import { openProgress } from '../progress.js';
import { number, storeOption, whole } from './options.js';
import { print, run, stop } from './run.js';

/** Candidates: bring in, sample from a model. */
export function candidateCommands(program: Command): void {
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
}

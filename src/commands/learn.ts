import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { TrainProgress } from '../kval.js';
import { openProgress } from '../progress.js';
import { number, storeOption, whole } from './options.js';
import { print, run, stop } from './run.js';

interface FinetuneOptions {
  readonly recipe: string;
  readonly dataset: string;
  readonly out: string;
  readonly base?: string;
  readonly set?: string[];
  readonly merge?: boolean;
  readonly accelerate?: string;
  readonly seed: number;
}

/** From labels to a simulator. */
export function learnCommands(program: Command): void {
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
    .option('--malformed <share>', 'malformed calls for each row, in files of their own', number, 0.05)
    .option(
      '--rerun <number>',
      'make so many labels again first, from nothing, and leave out what comes out otherwise',
      whole,
      0,
    )
    .addOption(storeOption())
    .action((options) =>
      run(options, async (kval) => {
        const { labels: whose, split, seed, validation, test, gzip, malformed, rerun } = options;
        const progress = rerun > 0 ? openProgress('labels made again') : null;
        const manifest = await kval
          .dataset(
            options.out,
            {
              labels: whose,
              split,
              seed,
              shares: { validation, test },
              gzip: gzip === true,
              malformedShare: malformed,
              signal: stop.signal,
            },
            { count: rerun, onProgress: (done, total) => progress?.update(done, total) },
          )
          .finally(() => progress?.close());
        const { train, validation: held, test: tested } = manifest.splits;
        print(
          `${resolve(options.out)}: ${train.rows} rows to train, ${held.rows} to validate, ${tested.rows} to test (by ${split}), id ${manifest.id.slice(0, 12)}`,
        );
        if (manifest.rerun !== null) {
          const { asked, agreed, disagreed, failed } = manifest.rerun;
          print(`made again: ${asked}; the same ${agreed}, otherwise ${disagreed.length}, not judged ${failed}`);
        }
        for (const [kind, count] of Object.entries(manifest.malformedCalls))
          print(`malformed calls, ${kind}: ${count}`);
        for (const [reason, count] of Object.entries(manifest.filtered))
          if (count > 0) print(`left out, ${reason}: ${count}`);
      }),
    );

  program
    .command('finetune')
    .description('train a simulator on a data set')
    .option('--recipe <recipe>', 'embedded; gtm-full, gtm-lora: a language model; or a YAML file', 'embedded')
    .requiredOption('--dataset <folder>')
    .requiredOption('--out <folder>', "the model's folder")
    .option('--base <model>', "gtm: a folder, a model on the hub, or config:FILE; the recipe's own without it")
    .option('--set <name=value...>', 'gtm: changes of the recipe, such as learning_rate=1e-5')
    .option('--merge', 'gtm-lora: a model that stands without its base')
    .option('--accelerate <config>', 'gtm: fsdp, nodes, or a configuration for accelerate: several GPUs, several nodes')
    .option('--seed <number>', '', whole, 1)
    .action((options: FinetuneOptions) =>
      run({}, async (kval) => {
        const stages = new Map<string, ReturnType<typeof openProgress>>();
        const shared = {
          datasetFolder: options.dataset,
          outFolder: options.out,
          seed: options.seed,
          signal: stop.signal,
          onProgress: ({ stage, done, total }: TrainProgress) => {
            const line = stages.get(stage) ?? openProgress(stage);
            stages.set(stage, line);
            line.update(done, total);
          },
        };
        const { recipe, base, set: changes, merge, accelerate } = options;
        const training =
          recipe === 'embedded'
            ? kval.finetune(shared)
            : kval.finetuneGtm({
                ...shared,
                recipe,
                ...(base === undefined ? {} : { base }),
                ...(changes === undefined ? {} : { changes }),
                ...(merge === undefined ? {} : { merge }),
                ...(accelerate === undefined ? {} : { accelerate }),
              });
        await training.finally(() => {
          for (const line of stages.values()) line.close();
        });
        print(`the model and its card are in ${resolve(options.out)}`);
      }),
    );
}

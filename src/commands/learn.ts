import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { openProgress } from '../progress.js';
import { number, storeOption, whole } from './options.js';
import { print, run, stop } from './run.js';

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
}

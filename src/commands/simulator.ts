import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { openProgress } from '../progress.js';
import { whole } from './options.js';
import { print, run, say, stop } from './run.js';

/** A fine-tuned language model at work: an engine that serves it, and its calibration behind that engine. */
export function simulatorCommands(program: Command): void {
  const simulator = program.command('simulator').description('fine-tuned language models behind an engine');
  simulator
    .command('serve')
    .description('serve a fine-tuned model on 127.0.0.1 until stopped, or note where it is served already')
    .argument('[engineOptions...]', 'after --, for the engine itself')
    .requiredOption('--model <folder>', 'made by `kval finetune --recipe gtm-...`')
    .addOption(new Option('--engine <engine>').choices(['vllm', 'sglang', 'lmdeploy', 'transformers']).default('vllm'))
    .option('--port <port>', 'on 127.0.0.1', whole, 8000)
    .option('--python <file>', "the Python that has the engine; kval's own without it")
    .option('--url <url>', 'the model is served there already, such as http://gpu-box:8000/v1; several, with commas')
    .option('--served-name <name>', 'with --url: what the model is called there, where more than one is served')
    .action((extra: string[], options) =>
      run({}, async (kval) => {
        const folder = resolve(options.model);
        if (options.url !== undefined) {
          const serving = await kval.noteServing(folder, {
            engine: options.engine,
            baseUrl: options.url,
            ...(options.servedName === undefined ? {} : { model: options.servedName }),
            signal: stop.signal,
          });
          print(`${folder} is served by ${serving.engine} at ${serving.baseUrl} as ${serving.model}`);
          return;
        }
        const served = await kval.serve({
          folder,
          engine: options.engine,
          port: options.port,
          extra,
          ...(options.python === undefined ? {} : { python: options.python }),
          signal: stop.signal,
          onLine: say,
        });
        print(`ready: ${served.serving.baseUrl} (${served.serving.model}); stop with Ctrl-C`);
        const stopped = new Promise<void>((done) =>
          stop.signal.addEventListener('abort', () => done(), { once: true }),
        );
        try {
          if (!stop.signal.aborted) await Promise.race([served.ended, stopped]);
        } finally {
          await served.close();
        }
      }),
    );

  simulator
    .command('calibrate')
    .description('calibrate a served model on the validation split of its data set')
    .requiredOption('--model <folder>')
    .requiredOption('--dataset <folder>')
    .action((options: { model: string; dataset: string }) =>
      run({}, async (kval) => {
        const progress = openProgress('kernels');
        const { calibration, path } = await kval
          .calibrate({
            folder: resolve(options.model),
            dataset: options.dataset,
            signal: stop.signal,
            onProgress: (done, total) => progress.update(done, total),
          })
          .finally(() => progress.close());
        print(`${path}: calibration ${calibration.id}, from ${calibration.reads} of ${calibration.engine}`);
      }),
    );
}

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { settingsSchema } from './candidate.js';
import type { Kval } from './kval.js';
import { outcomeCounts } from './print.js';
import { openProgress } from './progress.js';
import { renderTerminal } from './report/render-terminal.js';

/**
 * The whole loop on the kernels that ship: build, execute (in software where there is no GPU) and label them, make a
 * fine-tuning set, train the embedded simulator on it, and compare it with the real validator on problems that it never saw.
 * What is labelled stays labelled: interrupted and run again, it goes on.
 */
export async function quickstart(
  kval: Kval,
  options: { folder: string; signal: AbortSignal; say: (text: string) => void; print: (text: string) => void },
): Promise<void> {
  const { signal, say, print } = options;
  const place = (name: string): string => join(options.folder, name);
  const started = performance.now();
  const stage = (number: number, text: string): void => say(`\n[${number}/5] ${text}`);

  const hello = await kval.hello(signal);
  const { device, arch, small, words } = await kval.chooseDevice('auto', signal);
  stage(1, `bringing in the shipped kernels; ${words}`);
  const counts = await kval.import(kval.config.starterCandidatesFolder, {
    format: 'files',
    set: 'starter',
    generator: 'kval',
    source: 'kernelbench/candidates',
    signal,
  });
  say(`${counts.added + counts.already} sample kernels for the starter problems`);

  stage(2, `labelling them with the real validator (nvcc ${hello.nvcc ?? '?'}, torch ${hello.torch ?? '?'})`);
  const labelling = openProgress('kernels');
  const labels = await kval
    .label({
      problems: 'starter',
      candidates: { words: 'kernelbench/candidates' },
      settings: settingsSchema.parse({
        device,
        small,
        ...(arch === null ? {} : { arch }),
        // At the small sizes nothing takes so long but what never ends; two trials are four runs, in all orders of threads.
        ...(device === 'cpu' ? { executeTimeoutMs: 20_000, trials: 2 } : {}),
      }),
      signal,
      onProgress: ({ done, total }) => labelling.update(done, total),
    })
    .finally(() => labelling.close());
  print(outcomeCounts(labels));
  signal.throwIfAborted();

  stage(3, 'building a fine-tuning set, split by problem');
  const manifest = await kval.dataset(place('dataset'), {
    labels: 'harness',
    split: 'problem',
    shares: { validation: 0.2, test: 0.3 },
    signal,
  });
  const { train, validation, test } = manifest.splits;
  say(
    `${train.rows} rows to train, ${validation.rows} to validate, ${test.rows} to test, of ${train.problems}, ${validation.problems} and ${test.problems} problems`,
  );

  stage(4, 'training the embedded simulator');
  await kval.finetune({ datasetFolder: place('dataset'), outFolder: place('model'), signal });

  const shipped = kval.config.embeddedModelFolder;
  stage(5, 'judging the held-out kernels: real against simulated');
  const { report, files } = await kval.report({
    dataset: place('dataset'),
    models: [place('model'), ...(existsSync(join(shipped, 'metrics.json')) ? [shipped] : [])],
    title: 'kval quickstart',
    commands: ['npm run quickstart'],
    notes: [
      'The first simulator was trained a moment ago on the few kernels that ship: it shows the loop, not how good one can be.',
      'The second, where there is one, is the simulator that ships; its card in models/embedded says what it was trained on.',
    ],
    outFolder: place('report'),
    signal,
  });
  print(renderTerminal(report, { colour: process.stdout.isTTY === true }));
  print(`report: ${resolve(files.html)}`);
  say(`done in ${((performance.now() - started) / 1_000).toFixed(0)} s; everything is in ${resolve(options.folder)}`);
}

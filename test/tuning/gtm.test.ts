import { readdir, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { dir } from 'tmp-promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.js';
import { buildDataset } from '../../src/dataset/build.js';
import { Kval } from '../../src/kval.js';
import { type ModelCard, modelCardSchema } from '../../src/model-card.js';
import type { Served } from '../../src/tuning/gtm-serve.js';
import { easyExamples } from './easy-set.js';

/** The whole chain, with nothing in it that a GPU box would not run too: only the model is small. */
let home = '';
let cleanup = async (): Promise<void> => {};
let kval: Kval;
let card: ModelCard;
let served: Served | undefined;
const stages = new Map<string, number>();
const [model, set] = ['model', 'set'];

const recipe = {
  recipe: 'gtm-full',
  base: `config:${resolve('models/recipes/tiny-qwen2.json')}`,
  changes: [
    'max_length=2048',
    'learning_rate=3e-3',
    'num_train_epochs=4',
    'global_batch_size=16',
    'per_device_train_batch_size=16',
    'gradient_checkpointing=false',
    'eval_steps=0.5',
  ],
  seed: 1,
};

beforeAll(async () => {
  const folder = await dir({ unsafeCleanup: true });
  home = folder.path;
  cleanup = folder.cleanup;
  kval = new Kval({ ...readConfig(), home: join(home, 'home') });
  await buildDataset(
    easyExamples(360),
    { kvalVersion: '0.0.1', nearDuplicate: 1, shares: { validation: 0.1, test: 0.1 } },
    join(home, set),
  );
  card = await kval.finetuneGtm({
    ...recipe,
    accelerate: 'two-cpu',
    datasetFolder: join(home, set),
    outFolder: join(home, model),
    onProgress: ({ stage, done }) => stages.set(stage, done),
  });
}, 900_000);
afterAll(async () => {
  await served?.close();
  await kval.close();
  await cleanup();
}, 60_000);

describe('a language model, fine-tuned in two processes, then served and asked', () => {
  it('learns what can be learned, and beats the majority on problems it never saw', async () => {
    const [test] = card.metrics;
    expect(test?.split).toBe('test');
    expect(test?.compiled?.accuracy).toBeGreaterThan(0.9);
    expect(test?.compiled?.accuracy).toBeGreaterThan((test?.compiled?.majorityAccuracy ?? 1) + 0.15);
    expect(test?.correct?.accuracy).toBeGreaterThan((test?.correct?.majorityAccuracy ?? 1) + 0.15);
    const training: unknown = JSON.parse(await readFile(join(home, model, 'training.json'), 'utf8'));
    expect(training).toMatchObject({ processes: 2, tooLong: { train: 0 }, recipe: { method: 'full' } });
    expect(stages.get('steps')).toBe(76); // 4 epochs of 288 kernels and 14 malformed calls, by 16
    expect(stages.get('evaluation')).toBe(card.dataset.rows.validation + card.dataset.rows.test);
  });

  it('leaves a folder that engines load, with card, calibration and logs, and nothing unfinished', async () => {
    const files = await readdir(join(home, model));
    expect(files).toEqual(
      expect.arrayContaining([
        'model.safetensors',
        'config.json',
        'tokenizer.json',
        'tokenizer_config.json',
        'chat_template.jinja',
        'gtm.json',
        'training.json',
        'metrics.json',
        'calibration.json',
        'README.md',
        'runs',
      ]),
    );
    expect((await readdir(home)).sort()).toEqual([model, set]);
    expect(modelCardSchema.parse(JSON.parse(await readFile(join(home, model, 'metrics.json'), 'utf8')))).toEqual(card);
    const [run = ''] = await readdir(join(home, model, 'runs'));
    const logs = await readdir(join(home, model, 'runs', run));
    expect((await stat(join(home, model, 'runs', run, logs[0] ?? ''))).size).toBeGreaterThan(1000);
    expect(await readFile(join(home, model, 'README.md'), 'utf8')).toContain('language model');
  });

  it('refuses what is no recipe, and to go on with what another command began', async () => {
    const again = { ...recipe, datasetFolder: join(home, set) };
    const oops = kval.finetuneGtm({ ...again, changes: ['oops'], outFolder: join(home, 'home', 'oops') });
    await expect(oops).rejects.toMatchObject({ code: 'bad-input', message: expect.stringContaining('NAME=VALUE') });
    const other = kval.finetuneGtm({ ...again, outFolder: join(home, 'home', 'oops') });
    await expect(other).rejects.toMatchObject({ code: 'usage', fix: expect.stringContaining('oops.training') });
  });

  it('is not asked where nothing serves it', async () => {
    await expect(kval.simulated(join(home, model))).rejects.toMatchObject({
      code: 'model-missing',
      fix: expect.stringContaining('kval simulator serve'),
    });
  });

  it('is served by a real engine, calibrated behind it, and reported on', async () => {
    const folder = join(home, model);
    served = await kval.serve({ folder, engine: 'transformers', port: await freePort(), extra: ['--device', 'cpu'] });
    await expect(kval.simulated(folder)).rejects.toMatchObject({ fix: expect.stringContaining('calibrate') });
    const { calibration } = await kval.calibrate({ folder, dataset: join(home, set) });
    expect(calibration).toMatchObject({ engine: 'transformers', model: card.model, reads: 'answers' });
    expect(calibration.heads.compiled.basis).toBe('validation');
    const { report, files } = await kval.report({
      dataset: join(home, set),
      models: [folder],
      title: 'Served',
      commands: [],
      notes: [],
      outFolder: join(home, 'home', 'report'),
    });
    expect(report.simulators[0]).toMatchObject({ engine: 'openai', model: card.model, calibration: calibration.id });
    for (const section of [report.compiled, report.correct]) {
      const row = section.rows.find(({ kind }) => kind === 'simulator');
      expect(row?.n).toBe(card.dataset.rows.test);
      expect(row?.scores?.accuracy.value).toBeGreaterThan(0.9);
      expect(row?.scores?.overMajority?.value).toBeGreaterThan(0.15);
    }
    expect(await readFile(files.markdown, 'utf8')).toContain(calibration.id);
  }, 600_000);

  it('ends its engine cleanly, and says so in the folder', async () => {
    await served?.close();
    await expect(fetch(`${served?.serving.baseUrl}/models`)).rejects.toThrow();
    expect(await readdir(join(home, model))).not.toContain('serving.json');
    served = undefined;
  }, 60_000);

  it('says what to install where the engine is not there', async () => {
    const folder = join(home, model);
    await expect(kval.serve({ folder, engine: 'sglang', port: await freePort() })).rejects.toMatchObject({
      code: 'toolchain-missing',
      fix: expect.stringContaining('Install sglang'),
    });
  }, 60_000);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { dir } from 'tmp-promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Job, makeCandidate, settingsSchema } from '../../src/candidate.js';
import { childEnvironment, readConfig } from '../../src/config.js';
import { buildDataset } from '../../src/dataset/build.js';
import { readDataset } from '../../src/dataset/read.js';
import { type ModelCard, modelCardSchema } from '../../src/model-card.js';
import { makeProblem } from '../../src/problem.js';
import { loadEmbeddedModel, openEmbeddedSimulator } from '../../src/simulator/embedded.js';
import { featureNames } from '../../src/simulator/features.js';
import { type TrainOptions, trainEmbedded } from '../../src/tuning/embedded.js';
import { featureRows, writeFeatures } from '../../src/tuning/feature-file.js';
import { createSimulatedValidator, predictJobs } from '../../src/validator/simulated.js';
import { example, generator, kernelText, learnable } from '../dataset/examples.js';
import { builtKernel } from '../simulator/builds.js';

const config = readConfig();
let home = '';
let cleanup = async (): Promise<void> => {};
let card: ModelCard;
const stages: string[] = [];

const options = (changes: Partial<TrainOptions> = {}): TrainOptions => ({
  datasetFolder: join(home, 'set'),
  outFolder: join(home, 'model'),
  python: config.python,
  environment: childEnvironment(config),
  kvalVersion: '0.0.1',
  ...changes,
});

beforeAll(async () => {
  const folder = await dir({ unsafeCleanup: true });
  home = folder.path;
  cleanup = folder.cleanup;
  await buildDataset(learnable(320), { kvalVersion: '0.0.1' }, join(home, 'set'));
  card = await trainEmbedded(options({ onProgress: ({ stage }) => stages.push(stage) }));
}, 120_000);
afterAll(() => cleanup());

describe('trainEmbedded', () => {
  it('learns what can be learned, and beats the baselines on problems it never saw', () => {
    const [test] = card.metrics;
    expect(test?.split).toBe('test');
    expect(test?.compiled?.accuracy).toBeGreaterThan(0.95);
    expect(test?.compiled?.accuracy).toBeGreaterThan((test?.compiled?.majorityAccuracy ?? 1) + 0.2);
    expect(test?.correct?.accuracy).toBeGreaterThan(0.9);
    expect(test?.runtime?.rows).toBeGreaterThan(5);
    expect(card.heads.map((head) => [head.name, head.trained, head.calibratedOn])).toEqual([
      ['compiled', true, 'validation'],
      ['correct', true, 'validation'],
      ['correct, told what the build said', false, 'none'],
      ['invalid', false, 'none'],
      ['ran', false, 'none'],
      ['runtime', true, 'none'],
    ]);
  });

  it('leaves model, calibration, figures and card, and nothing else', async () => {
    expect((await readdir(join(home, 'model'))).sort()).toEqual([
      'README.md',
      'calibration.json',
      'metrics.json',
      'model.json',
    ]);
    expect((await readdir(home)).sort()).toEqual(['model', 'set']);
    expect(modelCardSchema.parse(JSON.parse(await readFile(join(home, 'model', 'metrics.json'), 'utf8')))).toEqual(
      card,
    );
    const text = await readFile(join(home, 'model', 'README.md'), 'utf8');
    expect(text).toContain(`data set \`${card.dataset.id}\``);
    expect(text).toContain("all measured by kval's harness");
    expect(card.bytes).toBeLessThan(2_000_000);
    expect(new Set(stages)).toEqual(
      new Set(['features', 'columns', 'compiled', 'correct', 'runtime', 'speedup', 'export']),
    );
  });

  it('scores in this process what the trees score in Python', async () => {
    const set = await readDataset(join(home, 'set'));
    const matrix = join(home, 'again', 'features.bin');
    await mkdir(join(home, 'again'), { recursive: true });
    await writeFeatures(featureRows(set, 'train'), set.manifest.id, matrix);
    const python = await execa(
      config.python,
      [resolve('test/python/score_model.py'), matrix, join(home, 'model', 'model.json')],
      {
        env: childEnvironment(config),
      },
    );
    const expected: unknown = JSON.parse(python.stdout);
    const model = await loadEmbeddedModel(join(home, 'model'));
    const scores: number[] = [];
    for await (const row of featureRows(set, 'train')) scores.push(model.score(row.text).compiled);
    expect(Array.isArray(expected) ? expected.length : 0).toBe(scores.length);
    scores.forEach((score, index) => {
      expect(score).toBeCloseTo(Number(Array.isArray(expected) ? expected[index] : Number.NaN), 5);
    });
  });

  it('trains the compile head alone where nothing was executed, and the same model from the same set', async () => {
    const built = learnable(120).map((one) => ({
      ...one,
      label: { ...one.label, fidelity: 'built' as const, correct: one.label.compiled ? null : false, runtimeMs: null },
    }));
    await buildDataset(built, { kvalVersion: '0.0.1' }, join(home, 'built', 'set'));
    const train = (name: string): Promise<ModelCard> =>
      trainEmbedded(options({ datasetFolder: join(home, 'built', 'set'), outFolder: join(home, 'built', name) }));
    const [made, again] = [await train('model'), await train('again')];
    expect([again.model, again.calibration]).toEqual([made.model, made.calibration]);
    expect(made.heads.map((head) => head.trained)).toEqual([true, false, false, false, false, false]);
    const simulator = await openEmbeddedSimulator({ folder: join(home, 'built', 'model') });
    const prediction = await simulator.predict(jobOf(kernelText(5)));
    expect(prediction.probabilities.correct).toBeNull();
    expect(prediction.runtimeMs).toBeNull();
    expect(prediction.confidence).toBe(
      Math.max(prediction.probabilities.compiled, 1 - prediction.probabilities.compiled),
    );
  }, 120_000);

  it('learns from what builds say, where the text tells nothing', async () => {
    const random = generator(3);
    const told = Array.from({ length: 200 }, (_, seed) => {
      const correct = random() < 0.5;
      const stores = correct ? { globalLoad: 1, globalStore: 1 } : { globalLoad: 1 };
      const build = { kernels: [builtKernel(stores)], warnings: {} };
      const kernel = kernelText(seed);
      return example({ problem: `level1/${1 + (seed % 40)}`, kernel, label: { correct, build, runtimeMs: null } });
    });
    await buildDataset(told, { kvalVersion: '0.0.1' }, join(home, 'told', 'set'));
    const made = await trainEmbedded(
      options({ datasetFolder: join(home, 'told', 'set'), outFolder: join(home, 'told', 'model') }),
    );
    expect(made.heads.find(({ name }) => name.includes('told'))).toMatchObject({ trained: true });
    const simulator = await openEmbeddedSimulator({ folder: join(home, 'told', 'model') });
    const ask = async (stores: Record<string, number>) => {
      const build = { kernels: [builtKernel({ globalLoad: 1, ...stores })], warnings: {} };
      return (await simulator.predict(jobOf(kernelText(903)), { built: true, build })).probabilities.correct;
    };
    expect(await ask({ globalStore: 1 })).toBeGreaterThan(0.9);
    expect(await ask({})).toBeLessThan(0.1);
    const untold = await simulator.predict(jobOf(kernelText(903)), { built: true });
    expect(untold.confidence).toBeLessThan(0.8);
  }, 120_000);

  it('says what is missing, and leaves the old model', async () => {
    const few = join(home, 'few');
    await buildDataset(learnable(6), { kvalVersion: '0.0.1' }, few);
    await expect(trainEmbedded(options({ datasetFolder: few }))).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining('rows to train on'),
    });
    await expect(trainEmbedded(options({ python: '/nowhere/python3' }))).rejects.toMatchObject({
      code: 'toolchain-missing',
    });
    const stop = new AbortController();
    const stopped = trainEmbedded(
      options({ signal: stop.signal, onProgress: ({ stage }) => void (stage === 'compiled' && stop.abort()) }),
    );
    await expect(stopped).rejects.toMatchObject({ code: 'interrupted' });
    expect((await readdir(home)).filter((name) => name.includes('draft'))).toEqual([]);
    expect((await loadEmbeddedModel(join(home, 'model'))).id).toBe(card.model);
  }, 120_000);
});

describe('openEmbeddedSimulator', () => {
  it('tells sound kernels from broken ones, with the ids of model and calibration', async () => {
    const simulator = await openEmbeddedSimulator({ folder: join(home, 'model'), referenceRuntimeMs: () => 2 });
    const sound = await simulator.predict(jobOf(kernelText(901)));
    const broken = await simulator.predict(jobOf(kernelText(901, { broken: true })));
    const wrong = await simulator.predict(jobOf(kernelText(901, { wrong: true })));
    expect(sound.probabilities.compiled).toBeGreaterThan(0.8);
    expect(broken.probabilities.compiled).toBeLessThan(0.2);
    expect(wrong.probabilities.correct).toBeLessThan(0.4);
    expect(sound.probabilities.correct).toBeGreaterThan(0.6);
    expect(sound.runtimeMs?.low).toBeLessThanOrEqual(sound.runtimeMs?.median ?? 0);
    expect(sound.speedup).toBeCloseTo(2 / (sound.runtimeMs?.median ?? 1));
    expect([simulator.model, simulator.calibration]).toEqual([card.model, card.calibration]);
  });

  it('judges alike whether or not it is told where a kernel runs, and how long the reference takes there', async () => {
    const known = await openEmbeddedSimulator({
      folder: join(home, 'model'),
      device: 'Test GPU',
      referenceRuntimeMs: () => 2,
    });
    const unknown = await openEmbeddedSimulator({ folder: join(home, 'model') });
    for (const options of [{}, { broken: true }, { wrong: true }]) {
      const job = jobOf(kernelText(904, options));
      const [told, untold] = [await known.predict(job), await unknown.predict(job)];
      expect(told.probabilities).toEqual(untold.probabilities);
    }
  });

  it('takes a real build as settled', async () => {
    const simulator = await openEmbeddedSimulator({ folder: join(home, 'model') });
    const job = jobOf(kernelText(902, { broken: true }));
    const [text, built] = [await simulator.predict(job), await simulator.predict(job, { built: true })];
    expect(built.probabilities.compiled).toBe(1);
    expect(built.probabilities.correct).toBeGreaterThan(text.probabilities.correct ?? 1);
    expect(text.speedup).toBeGreaterThan(1);
  });

  it('answers in under 5 ms and loads in under a second', async () => {
    const start = performance.now();
    const simulator = await openEmbeddedSimulator({ folder: join(home, 'model') });
    expect(performance.now() - start).toBeLessThan(1000);
    const jobs = Array.from({ length: 60 }, (_, seed) => jobOf(kernelText(seed).repeat(5).slice(0, 6000)));
    const times: number[] = [];
    for await (const { predicted } of predictJobs(simulator, jobs)) times.push(predicted.durationMs);
    expect(times.sort((a, b) => a - b)[30]).toBeLessThan(5);
  });

  it('refuses a model that is missing, damaged, of other features, or with a foreign calibration', async () => {
    await expect(openEmbeddedSimulator({ folder: join(home, 'nowhere') })).rejects.toMatchObject({
      code: 'model-missing',
    });
    const change = async (file: string, from: string | RegExp, to: string): Promise<unknown> => {
      const folder = join(home, 'again', `changed-${Math.random()}`);
      await cp(join(home, 'model'), folder, { recursive: true });
      const text = await readFile(join(folder, file), 'utf8');
      expect(text.replace(from, to)).not.toBe(text);
      await writeFile(join(folder, file), text.replace(from, to));
      return openEmbeddedSimulator({ folder });
    };
    await expect(change('model.json', /.{200}$/s, '')).rejects.toMatchObject({ code: 'model-invalid' });
    await expect(change('model.json', /"featureVersion":"\w+"/, '"featureVersion":"older"')).rejects.toMatchObject({
      code: 'model-invalid',
      message: expect.stringContaining('other features'),
    });
    await expect(change('model.json', '"left":[', '"left":[99999999,')).rejects.toMatchObject({
      code: 'model-invalid',
    });
    await expect(
      change('model.json', '"feature":[', `"feature":[${featureNames.length + 9999},`),
    ).rejects.toMatchObject({ code: 'model-invalid' });
    await expect(change('calibration.json', /"rows":\d+/, '"rows":100000')).rejects.toMatchObject({
      code: 'model-invalid',
    });
    await expect(change('calibration.json', /^/, 'x')).rejects.toMatchObject({ code: 'model-invalid' });
  });
});

describe('createSimulatedValidator', () => {
  it('predicts, and never more than predicts', async () => {
    const simulator = await openEmbeddedSimulator({ folder: join(home, 'model') });
    const validator = createSimulatedValidator({ simulator });
    const verdict = await validator.validate(jobOf(kernelText(3)));
    expect(verdict).toMatchObject({
      kind: 'predicted',
      fidelity: 'predicted',
      simulator: { engine: 'embedded', model: card.model },
    });
    const stopped = AbortSignal.abort();
    await expect(validator.validate(jobOf(kernelText(3)), { signal: stopped })).rejects.toMatchObject({
      code: 'interrupted',
    });
    await validator.close();
    await validator.close();
  });
});

function jobOf(source: string): Job {
  const problem = makeProblem({
    set: 'kernelbench',
    level: 1,
    number: 77,
    name: 'relu.py',
    source: 'import torch\n# torch.relu\n',
  });
  return { problem, candidate: makeCandidate({ source, problemId: problem.id }), settings: settingsSchema.parse({}) };
}

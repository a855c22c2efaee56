import { mkdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import { z } from 'zod';
import { type Candidate, type Job, makeCandidate, type Settings } from './candidate.js';
import { type Config, childEnvironment, modelEnvironment } from './config.js';
import { type BuildOptions, buildDataset } from './dataset/build.js';
import { examplesOf } from './dataset/examples.js';
import type { Manifest } from './dataset/manifest.js';
import { readDataset } from './dataset/read.js';
import { type Check, examine } from './doctor.js';
import { KvalError } from './errors.js';
import { type GenerateOptions, type GenerateReport, generate } from './generate.js';
import { candidatesIn, type ImportedCandidate, type ReadCandidatesOptions } from './import/candidates.js';
import { readProblems } from './import/problems.js';
import { collectReport, type ImportReport } from './import/report.js';
import { readSource } from './import/source-file.js';
import { type CollectProgress, type CollectReport, collect } from './labels/collect.js';
import { type CandidateWords, selectCandidates, selectProblems } from './labels/select.js';
import { LabelStore } from './labels/store.js';
import type { ModelCard } from './model-card.js';
import type { Problem } from './problem.js';
import { describeMachine } from './report/environment.js';
import { judgeHeldOut } from './report/held-out.js';
import { renderHtml } from './report/render-html.js';
import { renderMarkdown } from './report/render-markdown.js';
import { buildReport, type Report } from './report/report.js';
import { openEmbeddedSimulator } from './simulator/embedded.js';
import { openOpenaiSimulator } from './simulator/openai.js';
import { type OpenaiCalibration, uncalibrated } from './simulator/openai-calibration.js';
import { openEndpoint } from './simulator/openai-endpoint.js';
import {
  openGtmFolder,
  readGtmFolder,
  readOpenaiCalibration,
  readServing,
  type Serving,
  writeOpenaiCalibration,
  writeServing,
} from './simulator/openai-folder.js';
import type { Simulator } from './simulator/simulator.js';
import { type TrainOptions, trainEmbedded } from './tuning/embedded.js';
import { type GtmOptions, trainGtm } from './tuning/gtm.js';
import { askValidation, fitCalibration } from './tuning/gtm-calibrate.js';
import { type Served, type ServeOptions, serveGtm } from './tuning/gtm-serve.js';
import { createHybridValidator, type HybridPolicy } from './validator/hybrid.js';
import { createRealValidator, openHarness, type RealValidator } from './validator/real.js';
import { createSimulatedValidator, type SimulatedValidator } from './validator/simulated.js';
import type { Validator } from './validator/validator.js';
import type { Verdict } from './verdict.js';
import { type ChosenDevice, chooseDevice, type WantedDevice } from './worker/choose-device.js';
import type { WorkerPool } from './worker/pool.js';
import {
  cache,
  checkProblem,
  clearCache,
  problem as describeProblem,
  type Finding,
  type Hello,
} from './worker/protocol.js';

export type { TrainProgress } from './tuning/run-models.js';
export type { WantedDevice };
export type Mode = 'real' | 'simulated' | 'hybrid';

export interface ValidatorConfig {
  readonly mode: Mode;
  /** Folder of a trained embedded simulator; the one that ships without it. */
  readonly model?: string;
  readonly policy?: HybridPolicy;
}

export interface ImportCounts {
  readonly read: number;
  readonly added: number;
  readonly already: number;
  readonly published: number;
  readonly problems: number;
  readonly report: ImportReport<unknown>;
}

/** Everything that kval can do, one method a verb. It opens what a verb needs when it is needed, and `close` frees it all. */
export class Kval {
  readonly config: Config;
  readonly storePath: string;
  #store: LabelStore | undefined;
  #pool: WorkerPool | undefined;

  constructor(config: Config, options: { store?: string } = {}) {
    this.config = config;
    this.storePath = resolve(options.store ?? join(config.home, 'labels.db'));
  }

  get version(): string {
    return packageSchema.parse(JSON.parse(readFileSync(join(this.config.root, 'package.json'), 'utf8'))).version;
  }

  /** The label store; made, with the starter problems in it, where there is none. */
  async store(): Promise<LabelStore> {
    if (this.#store !== undefined) return this.#store;
    mkdirSync(dirname(this.storePath), { recursive: true });
    const store = LabelStore.open(this.storePath);
    this.#store = store;
    const starter = await readProblems(this.config.starterFolder);
    store.putProblems(starter.items.filter((problem) => store.problem(problem.id)?.sourceHash !== problem.sourceHash));
    return store;
  }

  pool(): WorkerPool {
    this.#pool ??= openHarness(this.config);
    return this.#pool;
  }

  hello(signal?: AbortSignal): Promise<Hello> {
    return this.pool().hello(signal);
  }

  /** What executes kernels here: `auto` takes a GPU where there is one, else CUDA in software. */
  async chooseDevice(wanted: WantedDevice, signal?: AbortSignal): Promise<ChosenDevice> {
    return chooseDevice(await this.hello(signal), wanted);
  }

  doctor(): Promise<Check[]> {
    return examine(this.config, (on) => this.pool().hello(undefined, on));
  }

  async importProblems(path: string, options: { set?: string; signal?: AbortSignal }): Promise<ImportCounts> {
    const report = await readProblems(path, options);
    const { added, already } = (await this.store()).putProblems(report.items);
    return { read: report.read, added, already, published: 0, problems: report.items.length, report };
  }

  /** Whether a trivial answer would pass for any of these problems. */
  async *checkProblems(
    problems: readonly Problem[],
    options: { small: boolean; tolerance: number | null; signal?: AbortSignal },
  ): AsyncGenerator<{ problem: Problem; admitted: boolean; findings: readonly Finding[] }> {
    for (const problem of problems) {
      const small = options.small && problem.hasSmall;
      const { result } = await this.pool().ask(checkProblem, {
        about: problem.id,
        on: 'build',
        params: () => ({ source: problem.source, small, tolerance: options.tolerance }),
        signal: options.signal,
      });
      yield { problem, admitted: result.admitted, findings: result.findings };
    }
  }

  /** Takes candidates in as they are read, with what others published about them. */
  async import(path: string, options: ReadCandidatesOptions): Promise<ImportCounts> {
    const store = await this.store();
    const counts = { added: 0, already: 0, published: 0 };
    const own = new Set<string>();
    let waiting: Arrived[] = [];
    const keep = (): void => {
      const put = putArrived(store, waiting);
      counts.added += put.added;
      counts.already += put.already;
      waiting = [];
    };
    const events = candidatesIn(path, { problems: store.problems({ set: 'starter' }), ...options });
    const report = await collectReport(
      map(events, (event) => {
        if (event.kind !== 'item') return event;
        const { item, line } = event;
        waiting.push({ ...item, line });
        if (item.problem !== null) own.add(item.problem.id);
        if (item.published !== null) counts.published += 1;
        if (waiting.length >= 200) keep();
        return { ...event, item: null };
      }),
    ).finally(keep);
    return { read: report.read, ...counts, problems: own.size, report };
  }

  generate(options: GenerateOptions): Promise<GenerateReport> {
    return generate(options);
  }

  /** Judges candidates for real and keeps what was measured. */
  async label(options: {
    problems: string;
    candidates: Omit<CandidateWords, 'problems'>;
    settings: Settings;
    signal?: AbortSignal;
    onProgress?: (progress: CollectProgress) => void;
  }): Promise<CollectReport> {
    const store = await this.store();
    const { small } = options.settings;
    const problems = await this.#shaped(selectProblems(store, options.problems), small, options.signal);
    const byId = new Map(problems.map((problem) => [problem.id, problem]));
    const jobs = selectCandidates(store, { ...options.candidates, problems }).flatMap(({ candidate }): Job[] => {
      const problem = byId.get(candidate.problemId);
      return problem === undefined ? [] : [{ problem, candidate, settings: options.settings }];
    });
    const validator = this.real();
    try {
      return await collect({
        jobs,
        validator,
        store,
        concurrency: validator.concurrency(options.settings.device),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
      });
    } finally {
      await validator.close();
    }
  }

  async dataset(outFolder: string, options: Omit<BuildOptions, 'kvalVersion'>): Promise<Manifest> {
    const examples = examplesOf(await this.store(), options.labels ?? 'harness');
    return buildDataset(examples, { ...options, kvalVersion: this.version }, outFolder);
  }

  finetune(options: Omit<TrainOptions, 'python' | 'environment' | 'kvalVersion'>): Promise<ModelCard> {
    const { python } = this.config;
    return trainEmbedded({ ...options, python, environment: childEnvironment(this.config), kvalVersion: this.version });
  }

  /** Fine-tunes a language model; `recipe` names a file of `models/recipes`, or is the path of another. */
  finetuneGtm(options: Omit<GtmOptions, 'python' | 'environment' | 'kvalVersion'>): Promise<ModelCard> {
    const { python, modelsFolder } = this.config;
    const named = (name: string): string =>
      /^[\w-]+$/.test(name) ? join(modelsFolder, 'recipes', `${name}.yaml`) : resolve(name);
    return trainGtm({
      ...options,
      recipe: named(options.recipe),
      ...(options.accelerate === undefined ? {} : { accelerate: named(options.accelerate) }),
      python,
      environment: modelEnvironment(this.config),
      kvalVersion: this.version,
    });
  }

  serve(options: Omit<ServeOptions, 'python' | 'environment'> & { python?: string }): Promise<Served> {
    return serveGtm({ python: this.config.python, ...options, environment: modelEnvironment(this.config) });
  }

  /** Writes down where a fine-tuned model is served, once it answers there. */
  async noteServing(
    folder: string,
    { signal, ...at }: { engine: string; baseUrl: string; model?: string; signal?: AbortSignal },
  ): Promise<Serving> {
    await openGtmFolder(folder);
    const endpoint = await openEndpoint({
      ...at,
      apiKey: this.config.endpoint.apiKey,
      ...(signal === undefined ? {} : { signal }),
    });
    const serving = { ...at, model: endpoint.model };
    await writeServing(folder, serving);
    return serving;
  }

  /** Calibrates a fine-tuned model behind the engine that serves it. */
  async calibrate(options: {
    folder: string;
    dataset: string;
    signal?: AbortSignal;
    onProgress?: (done: number, total: number) => void;
  }): Promise<{ calibration: OpenaiCalibration; path: string }> {
    const { folder, signal } = options;
    const [facts, serving] = [await openGtmFolder(folder), await readServing(folder)];
    if (serving === null) throw notServed(folder);
    const dataset = await readDataset(options.dataset, signal);
    if (dataset.manifest.id !== facts.dataset) {
      throw new KvalError('usage', `the model in ${folder} was trained on data set ${facts.dataset}`, {
        fix: 'Name that data set: only its validation split is known to be new to the model.',
      });
    }
    const endpoint = await openEndpoint({ ...serving, apiKey: this.config.endpoint.apiKey });
    const { reads, said } = await askValidation({ ...options, dataset, endpoint });
    const calibration = await fitCalibration({
      dataset,
      model: facts.model,
      engine: serving.engine,
      reads,
      saidOf: (rowId) => said.get(rowId),
      ...(signal === undefined ? {} : { signal }),
    });
    return { calibration, path: await writeOpenaiCalibration(folder, calibration) };
  }

  real(): RealValidator {
    return createRealValidator({ pool: this.pool(), config: this.config });
  }

  async simulated(model: string = this.config.embeddedModelFolder): Promise<SimulatedValidator> {
    const references = referenceRuntimes(await this.store());
    const simulator = await this.#simulator(
      model,
      (problem) => references.get(`${problem.id} ${problem.sourceHash}`) ?? null,
    );
    return createSimulatedValidator({ simulator });
  }

  /** A folder says what kind of model it holds; an address is a language model, with no calibration. */
  async #simulator(model: string, referenceRuntimeMs: (problem: Problem) => number | null): Promise<Simulator> {
    const { apiKey, model: named } = this.config.endpoint;
    if (/^https?:\/\//.test(model)) {
      const endpoint = { baseUrl: model, apiKey, ...(named === null ? {} : { model: named }) };
      return openOpenaiSimulator({
        endpoint,
        model: named ?? model,
        calibration: uncalibrated(named ?? model),
        device: null,
        referenceRuntimeMs,
      });
    }
    const facts = await readGtmFolder(model);
    if (facts === null) return openEmbeddedSimulator({ folder: model, referenceRuntimeMs });
    const serving = await readServing(model);
    if (serving === null) throw notServed(model);
    return openOpenaiSimulator({
      endpoint: { ...serving, apiKey },
      model: facts.model,
      calibration: await readOpenaiCalibration(model, serving.engine, facts.model),
      device: facts.device,
      referenceRuntimeMs,
    });
  }

  async validator({ mode, model, policy }: ValidatorConfig): Promise<Validator<Verdict>> {
    switch (mode) {
      case 'real':
        return this.real();
      case 'simulated':
        return this.simulated(model);
      case 'hybrid':
        return createHybridValidator({
          real: this.real(),
          simulated: await this.simulated(model),
          policy: policy ?? { buildFirst: true },
        });
    }
  }

  /** Reads one candidate and finds its problem. */
  async job(path: string, problemWords: string, settings: Settings): Promise<Job> {
    const [problem] = await this.#shaped(selectProblems(await this.store(), problemWords).slice(0, 1), settings.small);
    if (problem === undefined) throw new Error('selectProblems gives at least one problem');
    return { problem, candidate: await readOne(path, problem.id), settings };
  }

  /** Compares predictions with what was measured on the test split of a data set. */
  async report(options: {
    dataset: string;
    models: readonly string[];
    title: string;
    commands: readonly string[];
    notes: readonly string[];
    outFolder: string;
    onProgress?: (done: number, total: number) => void;
    signal?: AbortSignal;
  }): Promise<{ report: Report; files: { json: string; markdown: string; html: string } }> {
    const store = await this.store();
    const dataset = await readDataset(options.dataset, options.signal);
    const simulators = await Promise.all(options.models.map((model) => this.simulated(model)));
    const durations = new Map<string, number>();
    for (const label of store.iterate()) {
      durations.set(`${label.candidate.hash} ${label.problem.id}`, label.measured.provenance.durationMs);
    }
    try {
      const heldOut = await judgeHeldOut({
        dataset,
        simulators,
        realDurationMs: (hash, id) => durations.get(`${hash} ${id}`) ?? null,
        ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      const report = buildReport({
        title: options.title,
        ...heldOut,
        generatedBy: {
          kval: this.version,
          machine: describeMachine(null),
          commands: [...options.commands],
          at: new Date().toISOString(),
        },
        notes: [...options.notes],
      });
      return { report, files: await writeReport(report, options.outFolder) };
    } finally {
      await Promise.all(simulators.map((simulator) => simulator.close()));
    }
  }

  /** What the build cache holds; `prune` brings it under its bound, `clear` empties it. */
  async cache(action: 'show' | 'prune' | 'clear', signal?: AbortSignal): Promise<Record<string, number | null>> {
    const { buildCacheFolder: cacheFolder, buildCacheMaxBytes: maxBytes } = this.config;
    mkdirSync(cacheFolder, { recursive: true });
    const question = { about: 'the build cache', on: 'build', signal } as const;
    if (action === 'clear') {
      return (await this.pool().ask(clearCache, { ...question, params: () => ({ cacheFolder }) })).result;
    }
    const params = (): { cacheFolder: string; maxBytes?: number } =>
      action === 'prune' ? { cacheFolder, maxBytes } : { cacheFolder };
    return (await this.pool().ask(cache, { ...question, params })).result;
  }

  async close(): Promise<void> {
    await this.#pool?.close();
    this.#store?.close();
    this.#pool = undefined;
    this.#store = undefined;
  }

  /** Labels of problems with other shapes must never mix, so the harness looks at every problem that is to be judged. */
  async #shaped(problems: readonly Problem[], small: boolean, signal?: AbortSignal): Promise<Problem[]> {
    const store = await this.store();
    return Promise.all(
      problems.map(async (problem) => {
        const atSmall = small && problem.hasSmall;
        if (problem.shapeHash !== null && !atSmall) return problem;
        const { result } = await this.pool().ask(describeProblem, {
          about: problem.id,
          on: 'build',
          params: () => ({ source: problem.source }),
          signal,
        });
        if (atSmall) return { ...problem, shapeHash: result.smallShapeHash };
        const shaped = { ...problem, shapeHash: result.shapeHash };
        if (result.shapeHash !== null) store.putProblems([shaped]);
        return shaped;
      }),
    );
  }
}

function notServed(folder: string): KvalError {
  return new KvalError('model-missing', `no engine serves a fine-tuned language model from ${folder}`, {
    fix: `Start one with \`kval simulator serve --model ${folder}\`, or name a running one with its --url.`,
  });
}

type Arrived = ImportedCandidate & { readonly line: number | null };

/** Each row's own reference first, then the kernels, those with a published label beside it. */
function putArrived(store: LabelStore, arrived: readonly Arrived[]): { added: number; already: number } {
  store.putProblems(arrived.flatMap(({ problem }) => (problem === null ? [] : [problem])));
  const plain = store.putCandidates(arrived.filter(({ published }) => published === null));
  const labelled = store.putPublished(
    arrived.flatMap(({ published, ...sighting }) => (published === null ? [] : [{ ...sighting, published }])),
  );
  return { added: plain.added + labelled.added, already: plain.already + labelled.already };
}

async function* map<T, R>(items: AsyncIterable<T>, change: (item: T) => R): AsyncGenerator<R> {
  for await (const item of items) yield change(item);
}

/** How long each problem's own `Model` takes, where a label says so: what a predicted speed-up is reckoned from. */
function referenceRuntimes(store: LabelStore): Map<string, number> {
  const known = new Map<string, number>();
  for (const { problem, measured, settings } of store.iterate({ statuses: ['correct'] })) {
    const timing = measured.outcome.status === 'correct' && !settings.small ? measured.outcome.timing : null;
    if (timing !== null) known.set(`${problem.id} ${problem.sourceHash}`, timing.referenceMs.median);
  }
  return known;
}

const packageSchema = z.object({ version: z.string() });

async function readOne(path: string, problemId: string): Promise<Candidate> {
  return makeCandidate({
    source: await readSource(path),
    language: extname(path) === '.cu' ? 'cuda' : 'python',
    problemId,
    origin: { generator: 'file', source: path },
  });
}

async function writeReport(report: Report, folder: string): Promise<{ json: string; markdown: string; html: string }> {
  await mkdir(folder, { recursive: true });
  const files = {
    json: resolve(folder, 'report.json'),
    markdown: resolve(folder, 'report.md'),
    html: resolve(folder, 'report.html'),
  };
  await writeFile(files.json, `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(files.markdown, renderMarkdown(report));
  await writeFile(files.html, renderHtml(report));
  return files;
}

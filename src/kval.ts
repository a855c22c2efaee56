import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import { z } from 'zod';
import { type Candidate, type Job, makeCandidate, type Settings } from './candidate.js';
import { type Config, childEnvironment, modelEnvironment } from './config.js';
import { type BuildOptions, buildDataset } from './dataset/build.js';
import { examplesOf } from './dataset/examples.js';
import { familyCandidates } from './dataset/families/families.js';
import { type LabelSet, writeLabelSet } from './dataset/label-set.js';
import type { Manifest, Rerun } from './dataset/manifest.js';
import type { Operator } from './dataset/mutate/operator.js';
import { type StoreMutantsReport, selectOperators, storeMutants } from './dataset/mutate/store-mutants.js';
import { type TurnedOut, turnedOut } from './dataset/mutate/turned-out.js';
import { readDataset } from './dataset/read.js';
import { rerunSample } from './dataset/rerun.js';
import { type Check, examine } from './doctor.js';
import { type GenerateOptions, type GenerateReport, generate } from './generate.js';
import {
  candidatesIn,
  type ImportedCandidate,
  type ReadCandidatesOptions,
  readCandidates,
} from './import/candidates.js';
import { readProblems } from './import/problems.js';
import { collectReport, type ImportReport } from './import/report.js';
import { readSource } from './import/source-file.js';
import { type CollectProgress, type CollectReport, collect } from './labels/collect.js';
import { judgingTimes, referenceRuntimes } from './labels/durations.js';
import { type CandidateWords, selectCandidates, selectProblems } from './labels/select.js';
import { LabelStore } from './labels/store.js';
import { type ModelCard, modelCardSchema } from './model-card.js';
import type { Problem } from './problem.js';
import type { Shapes } from './queue/message.js';
import { createQueuedValidator, type QueuedValidator } from './queue/queued.js';
import { runWorker, type WorkReport } from './queue/work.js';
import { type AgentReport, buildAgentReport } from './report/agents/agent-report.js';
import { readBaseline } from './report/agents/baseline.js';
import { renderAgentHtml, renderAgentMarkdown } from './report/agents/render.js';
import { judgeRuns, type RunKernel } from './report/agents/verdicts.js';
import { thisMachine } from './report/environment.js';
import { type ReportFiles, writeReport } from './report/files.js';
import { judgeHeldOut } from './report/held-out.js';
import { renderHtml } from './report/render-html.js';
import { renderMarkdown } from './report/render-markdown.js';
import { buildReport, type Report } from './report/report.js';
import { noteServing, openSimulator } from './simulator/open.js';
import type { OpenaiCalibration } from './simulator/openai-calibration.js';
import type { Serving } from './simulator/openai-folder.js';
import { type TrainOptions, trainEmbedded } from './tuning/embedded.js';
import type { TunedMode } from './tuning/frontier.js';
import { type GtmOptions, trainGtm } from './tuning/gtm.js';
import { type CalibrateOptions, calibrateServed } from './tuning/gtm-calibrate.js';
import { type Served, type ServeOptions, serveGtm } from './tuning/gtm-serve.js';
import { tunePolicies } from './tuning/policy.js';
import { type WrittenPolicy, writePolicyFiles } from './tuning/policy-files.js';
import { type LabelledPredictions, predictionsOf, readPredictions } from './tuning/predictions.js';
import { createHybridValidator, type HybridValidator } from './validator/hybrid.js';
import { type HybridPolicy, readPolicyFile } from './validator/policy.js';
import { createRealValidator, openHarness, type RealValidator } from './validator/real.js';
import { createSimulatedValidator, type SimulatedValidator } from './validator/simulated.js';
import type { Validator } from './validator/validator.js';
import type { Verdict } from './verdict.js';
import { type ChosenDevice, chooseDevice, requireDevice, type WantedDevice } from './worker/choose-device.js';
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
export type { Operator, TurnedOut, WantedDevice };
export type Mode = 'real' | 'simulated' | 'hybrid';

export interface ValidatorConfig {
  readonly mode: Mode;
  /** Folder of a trained embedded simulator; the one that ships without it. */
  readonly model?: string;
  /** A hybrid's policy, or the path of a policy file. */
  readonly policy?: HybridPolicy | string;
}

export interface ImportCounts {
  readonly read: number;
  readonly added: number;
  readonly already: number;
  readonly published: number;
  readonly problems: number;
  readonly report: ImportReport<unknown>;
}

/** How many labels are made again. */
export interface Again {
  readonly count: number;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface FamilyCounts {
  readonly added: number;
  readonly already: number;
  readonly candidates: readonly Candidate[];
}

/** Everything that kval can do, one method a verb. It opens what a verb needs when it is needed, and `close` frees it all. */
export class Kval {
  readonly config: Config;
  readonly storePath: string;
  #store: Promise<LabelStore> | undefined;
  #pool: WorkerPool | undefined;
  /** For what is asked of other boxes beside verdicts. */
  #boxes: QueuedValidator | undefined;
  readonly #shapes = new Map<string, Promise<Problem>>();
  readonly #onNotice: ((text: string) => void) | undefined;

  /** `onNotice` is told what no result tells, such as that a GPU was lost. */
  constructor(config: Config, options: { store?: string; onNotice?: (text: string) => void } = {}) {
    this.config = config;
    this.#onNotice = options.onNotice;
    this.storePath = resolve(options.store ?? join(config.home, 'labels.db'));
  }

  get version(): string {
    return packageSchema.parse(JSON.parse(readFileSync(join(this.config.root, 'package.json'), 'utf8'))).version;
  }

  /** The label store; made, with the starter problems in it, where there is none. */
  store(): Promise<LabelStore> {
    this.#store ??= this.#openStore();
    return this.#store;
  }

  pool(): WorkerPool {
    this.#pool ??= openHarness(this.config, this.#onNotice === undefined ? {} : { onNotice: this.#onNotice });
    return this.#pool;
  }

  hello(signal?: AbortSignal): Promise<Hello> {
    return this.pool().hello(signal);
  }

  /** What executes kernels here: `auto` takes a GPU where there is one, else CUDA in software. */
  async chooseDevice(wanted: WantedDevice, signal?: AbortSignal): Promise<ChosenDevice> {
    return chooseDevice(await this.hello(signal), wanted);
  }

  /** Whether whoever judges for real is there: the harness of this machine, or a worker behind the queue. */
  async answers(signal?: AbortSignal): Promise<void> {
    const boxes = this.#elsewhere();
    if (boxes === null) await this.hello(signal);
    else await boxes.reach();
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

  /** Writes kernels of the families for starter problems and keeps them, to be labelled like all others. */
  async families(options: { problems: string; perProblem: number; seed: number }): Promise<FamilyCounts> {
    const store = await this.store();
    const problemIds = new Set(selectProblems(store, options.problems).map((problem) => problem.id));
    const candidates = familyCandidates({ ...options, problemIds });
    const { added, already } = store.putCandidates(
      candidates.map((candidate) => ({ candidate, line: null, backend: null })),
    );
    return { added, already, candidates };
  }

  mutationOperators(words: string): Operator[] {
    return selectOperators(words);
  }

  /** Makes mutants of candidates and keeps them beside their parents, to be labelled like all others. */
  async mutate(options: {
    problems: string;
    candidates: string;
    operators: readonly Operator[];
    perCandidate: number;
    seed: number;
    signal?: AbortSignal;
    onProgress?: (made: number, most: number) => void;
  }): Promise<StoreMutantsReport> {
    const store = await this.store();
    const { problems, candidates: words, ...rest } = options;
    return storeMutants(store, { ...rest, parents: { words, problems: selectProblems(store, problems) } });
  }

  /** What each operator's labelled mutants turned out to be. */
  async turnedOut(): Promise<TurnedOut[]> {
    return turnedOut(await this.store());
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
    const problems = selectProblems(store, options.problems);
    const chosen = selectCandidates(store, { ...options.candidates, problems });
    const asked = new Set(chosen.map(({ candidate }) => candidate.problemId));
    const shaped = await this.#shaped(
      problems.filter(({ id }) => asked.has(id)),
      small,
      options.signal,
    );
    const byId = new Map(shaped.map((problem) => [problem.id, problem]));
    const jobs = chosen.flatMap(({ candidate }): Job[] => {
      const problem = byId.get(candidate.problemId);
      return problem === undefined ? [] : [{ problem, candidate, settings: options.settings }];
    });
    const validator = this.real();
    try {
      return await collect({
        jobs,
        validator,
        store,
        concurrency: await validator.concurrency(options.settings.device, options.signal),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
      });
    } finally {
      await validator.close();
    }
  }

  /** Makes a fine-tuning set. With `again`, so many labels are made again first, and kernels that they contradict left out. */
  async dataset(
    outFolder: string,
    options: Omit<BuildOptions, 'kvalVersion' | 'rerun'>,
    again: Again = { count: 0 },
  ): Promise<Manifest> {
    const { labels = 'harness', seed = 1, signal } = options;
    const rerun = again.count === 0 ? null : await this.#rerun(again, seed, signal);
    const contradicted = new Set(rerun?.disagreed.map(({ problem, candidate }) => `${problem} ${candidate}`));
    const examples = filter(
      examplesOf(await this.store(), labels),
      ({ problem, candidate }) => !contradicted.has(`${problem.id} ${candidate.hash}`),
    );
    const checked = rerun === null ? {} : { rerun };
    return buildDataset(examples, { ...options, ...checked, kvalVersion: this.version }, outFolder);
  }

  /** Nothing is taken from the build cache: what is made again is built again. */
  async #rerun({ count, onProgress }: Again, seed: number, signal: AbortSignal | undefined): Promise<Rerun> {
    const buildCacheFolder = join(this.config.home, 'rerun');
    rmSync(buildCacheFolder, { recursive: true, force: true });
    const validator = createRealValidator({ config: { ...this.config, buildCacheFolder } });
    try {
      return await rerunSample(await this.store(), {
        count,
        seed,
        judge: (job, judging) => validator.validate(job, judging),
        ...(signal === undefined ? {} : { signal }),
        ...(onProgress === undefined ? {} : { onProgress }),
      });
    } finally {
      await validator.close();
      rmSync(buildCacheFolder, { recursive: true, force: true });
    }
  }

  /** Every label of the store as a folder to ship, with manifest and card. */
  async pack(
    folder: string,
    options: { commands: readonly string[]; notes: readonly string[]; signal?: AbortSignal },
  ): Promise<LabelSet> {
    return writeLabelSet(await this.store(), folder, { ...options, kvalVersion: this.version });
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
  noteServing(
    folder: string,
    at: { engine: string; baseUrl: string; model?: string; signal?: AbortSignal },
  ): Promise<Serving> {
    return noteServing(folder, { ...at, apiKey: this.config.endpoint.apiKey });
  }

  /** Calibrates a fine-tuned model behind the engine that serves it. */
  calibrate(options: Omit<CalibrateOptions, 'apiKey'>): Promise<{ calibration: OpenaiCalibration; path: string }> {
    return calibrateServed({ ...options, apiKey: this.config.endpoint.apiKey });
  }

  /** The harness: of this machine, or of the boxes behind the queue that the configuration names. */
  real(): RealValidator | QueuedValidator {
    return this.#queued() ?? createRealValidator({ pool: this.pool(), config: this.config });
  }

  /** Judges what others put on a queue, until told to stop. `concurrency`: builds at once, and executions in software. */
  async work(options: {
    queue: string;
    device: WantedDevice;
    concurrency?: number;
    lockMs?: number;
    drainMs?: number;
    signal: AbortSignal;
    onServing: (words: string) => void;
  }): Promise<WorkReport> {
    const { queue: url, device: wanted, concurrency = this.config.workers, ...rest } = options;
    const config = { ...this.config, workers: concurrency };
    const notices = this.#onNotice === undefined ? {} : { onNotice: this.#onNotice };
    const pool = openHarness(config, notices);
    try {
      const hello = await pool.hello(rest.signal);
      const { device, words } = requireDevice(hello, wanted);
      const executors = device === 'cuda' ? config.gpuWorkers * hello.devices.length : concurrency;
      return await runWorker({
        ...rest,
        ...notices,
        url,
        kval: this.version,
        lanes: { none: concurrency, ...(device === 'none' ? {} : { [device]: executors }) },
        open: (onProgress) => createRealValidator({ pool, config, onProgress }),
        describe: (problem, signal) => describe(pool, problem, signal),
        onServing: (queue) => rest.onServing(`takes jobs from ${queue}; builds: ${concurrency} at once; ${words}`),
      });
    } finally {
      await pool.close();
    }
  }

  async simulated(model: string = this.config.embeddedModelFolder, signal?: AbortSignal): Promise<SimulatedValidator> {
    const references = referenceRuntimes(await this.store());
    const { apiKey, model: named } = this.config.endpoint;
    const simulator = await openSimulator({
      model,
      apiKey,
      named,
      referenceRuntimeMs: (problem) => references.get(`${problem.id} ${problem.sourceHash}`) ?? null,
      ...(signal === undefined ? {} : { signal }),
    });
    return createSimulatedValidator({ simulator });
  }

  async validator({ mode, model, policy }: ValidatorConfig): Promise<Validator<Verdict>> {
    switch (mode) {
      case 'real':
        return this.real();
      case 'simulated':
        return this.simulated(model);
      case 'hybrid':
        return this.hybrid(policy, model);
    }
  }

  /** Its `state` says what was asked of whom, and whether the simulator has drifted. */
  async hybrid(
    policy: HybridPolicy | string = { buildFirst: true },
    model?: string,
    signal?: AbortSignal,
  ): Promise<HybridValidator> {
    const given = typeof policy === 'string' ? await readPolicyFile(policy) : policy;
    return createHybridValidator({ real: this.real(), simulated: await this.simulated(model, signal), policy: given });
  }

  /** A problem as it must be to be judged for real: the harness has looked at its shapes, once for each version. */
  shaped(problem: Problem, small: boolean, signal?: AbortSignal): Promise<Problem> {
    const key = `${problem.id} ${problem.sourceHash} ${small}`;
    const known = this.#shapes.get(key);
    if (known !== undefined) return known;
    // No caller's signal: others may wait for the same answer.
    const shaped = this.#shaped([problem], small).then(([one]) => one ?? problem);
    this.#shapes.set(key, shaped);
    shaped.catch(() => this.#shapes.delete(key));
    signal?.throwIfAborted();
    return shaped;
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
  }): Promise<{ report: Report; files: ReportFiles }> {
    const store = await this.store();
    const dataset = await readDataset(options.dataset, options.signal);
    const simulators = await Promise.all(
      options.models.map(async (model) => ({
        validator: await this.simulated(model),
        trainedOn: await trainingSetOf(model),
      })),
    );
    const durations = judgingTimes(store);
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
        generatedBy: this.#generatedBy(options.commands),
        notes: [...options.notes],
      });
      const forms = { json: report, markdown: renderMarkdown(report), html: renderHtml(report) };
      return { report, files: await writeReport(forms, options.outFolder) };
    } finally {
      await Promise.all(simulators.map(({ validator }) => validator.close()));
    }
  }

  /** How well agents did: their runs scored by what was measured, published and predicted, side by side. */
  async agentReport(options: {
    runs: readonly string[];
    /** KernelBench's file of reference times; without it speed-ups come from the verdicts alone. */
    baseline: string | null;
    models: readonly string[];
    title: string;
    commands: readonly string[];
    outFolder: string;
    read: ReadCandidatesOptions;
    onProgress?: (done: number, total: number) => void;
    signal?: AbortSignal;
  }): Promise<{ report: AgentReport; files: ReportFiles }> {
    const store = await this.store();
    const baseline = options.baseline === null ? null : await readBaseline(options.baseline);
    const kernels: RunKernel[] = [];
    const notes: string[] = [];
    for (const path of options.runs) {
      const read = await readCandidates(path, { problems: store.problems({ set: 'starter' }), ...options.read });
      kernels.push(...read.items);
      for (const { where, line, reason } of read.malformed) {
        notes.push(`not read: ${where}${line === null ? '' : `, line ${line}`}: ${reason}`);
      }
    }
    const simulators = await Promise.all(options.models.map((model) => this.simulated(model)));
    try {
      const judged = await judgeRuns({
        kernels,
        store,
        simulators,
        baseline,
        ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      const report = buildAgentReport({
        title: options.title,
        ...judged,
        generatedBy: this.#generatedBy(options.commands),
        notes: [...judged.notes, ...notes],
      });
      const forms = { json: report, markdown: renderAgentMarkdown(report), html: renderAgentHtml(report) };
      return { report, files: await writeReport(forms, options.outFolder) };
    } finally {
      await Promise.all(simulators.map((simulator) => simulator.close()));
    }
  }

  /** Replays a labelled set against predictions, and writes the hybrid's policy that a wanted error allows. */
  async tunePolicy(options: {
    /** A file of predictions beside labels; without it the simulator is asked about the test split of `dataset`. */
    predictions?: string;
    dataset?: string;
    model?: string;
    maxError: number;
    /** The error to choose thresholds for, where room to spare is wanted. */
    aim?: number;
    mode?: TunedMode;
    split?: string;
    out: string;
    signal?: AbortSignal;
  }): Promise<WrittenPolicy> {
    const { predictions, dataset, model, maxError, aim = maxError, signal, ...rest } = options;
    const read =
      predictions === undefined
        ? [await this.#predictHeldOut(dataset ?? '', model, signal)]
        : await readPredictions(predictions, signal);
    const source = predictions ?? `${model ?? 'the shipped simulator'} on the test split of ${dataset}`;
    return writePolicyFiles(tunePolicies(read, { maxError, aim, source }), { ...rest, kvalVersion: this.version });
  }

  #generatedBy(commands: readonly string[]): Report['generatedBy'] {
    return { kval: this.version, machine: thisMachine(null), commands: [...commands], at: new Date().toISOString() };
  }

  async #predictHeldOut(folder: string, model: string | undefined, signal?: AbortSignal): Promise<LabelledPredictions> {
    const dataset = await readDataset(folder, signal);
    const simulator = await this.simulated(model);
    const simulators = [{ validator: simulator, trainedOn: null }];
    const common = { dataset, simulators, realDurationMs: () => null, onceBuilt: true };
    try {
      return predictionsOf(await judgeHeldOut({ ...common, ...(signal === undefined ? {} : { signal }) }));
    } finally {
      await simulator.close();
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
    await this.#boxes?.close();
    await this.#pool?.close();
    const store = await this.#store?.catch(() => null);
    store?.close();
    this.#boxes = undefined;
    this.#pool = undefined;
    this.#store = undefined;
  }

  async #openStore(): Promise<LabelStore> {
    mkdirSync(dirname(this.storePath), { recursive: true });
    const store = LabelStore.open(this.storePath);
    try {
      const starter = await readProblems(this.config.starterFolder);
      store.putProblems(
        starter.items.filter((problem) => store.problem(problem.id)?.sourceHash !== problem.sourceHash),
      );
      return store;
    } catch (thrown) {
      store.close();
      throw thrown;
    }
  }

  /** Labels of problems with other shapes must never mix, so the harness looks at every problem that is to be judged. */
  async #shaped(problems: readonly Problem[], small: boolean, signal?: AbortSignal): Promise<Problem[]> {
    const store = await this.store();
    return Promise.all(
      problems.map(async (problem) => {
        const atSmall = small && problem.hasSmall;
        if (problem.shapeHash !== null && !atSmall) return problem;
        const { shapeHash, smallShapeHash } =
          (await this.#elsewhere()?.describe(problem, signal)) ?? (await describe(this.pool(), problem, signal));
        if (atSmall) return { ...problem, shapeHash: smallShapeHash };
        const shaped = { ...problem, shapeHash };
        if (shapeHash !== null) store.putProblems([shaped]);
        return shaped;
      }),
    );
  }

  /** The other boxes, once for all that is asked of them beside verdicts; null without a queue. */
  #elsewhere(): QueuedValidator | null {
    this.#boxes ??= this.#queued() ?? undefined;
    return this.#boxes ?? null;
  }

  #queued(): QueuedValidator | null {
    const { queue } = this.config;
    if (queue === null) return null;
    const notices = this.#onNotice === undefined ? {} : { onNotice: this.#onNotice };
    return createQueuedValidator({ url: queue, kval: this.version, ...notices });
  }
}

async function describe(pool: WorkerPool, problem: Problem, signal: AbortSignal | undefined): Promise<Shapes> {
  const { source, id: about } = problem;
  const asked = await pool.ask(describeProblem, { about, on: 'build', params: () => ({ source }), signal });
  return asked.result;
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

function* filter<T>(items: Iterable<T>, keep: (item: T) => boolean): Generator<T> {
  for (const item of items) if (keep(item)) yield item;
}

async function* map<T, R>(items: AsyncIterable<T>, change: (item: T) => R): AsyncGenerator<R> {
  for await (const item of items) yield change(item);
}

/** The data set that a model's card names; null where it has no card. */
async function trainingSetOf(folder: string): Promise<string | null> {
  const text = await readFile(join(folder, 'metrics.json'), 'utf8').catch(() => null);
  return text === null ? null : (modelCardSchema.safeParse(JSON.parse(text)).data?.dataset.id ?? null);
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

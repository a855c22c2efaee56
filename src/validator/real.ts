import { join } from 'node:path';
import { type Job, jobKey, type Settings } from '../candidate.js';
import { type Config, childEnvironment } from '../config.js';
import { KvalError } from '../errors.js';
import type { Measured, Provenance } from '../verdict.js';
import { type Answer, openPool, type PoolOptions, type WorkerPool } from '../worker/pool.js';
import { build, execute, type Progress } from '../worker/protocol.js';
import type { Validator } from './validator.js';

export interface RealOptions {
  readonly config: Config;
  /** Workers that are already there; they are then left open at `close`. */
  readonly pool?: WorkerPool;
  readonly onProgress?: (job: Job, progress: Progress) => void;
}

export interface RealValidator extends Validator<Measured> {
  /** The workers behind it, for questions about problems and about the machine. */
  readonly pool: WorkerPool;
  /** How many jobs keep every worker busy that they need. */
  concurrency(device: Settings['device'], signal?: AbortSignal): Promise<number>;
}

/** The harness as a validator: what it says was compiled, executed and measured. Nothing is started before the first job. */
export function createRealValidator(options: RealOptions): RealValidator {
  const { config } = options;
  const pool = options.pool ?? openHarness(config);
  let closed = false;
  return {
    name: 'real',
    pool,
    // While every GPU is at work, all builders build; in software both want the same processors.
    concurrency: async (device, signal) =>
      device === 'cuda'
        ? pool.builders + pool.executorsPerGpu * (await pool.hello(signal)).devices.length
        : pool.builders,
    validate: async (job, { signal } = {}) => {
      if (closed) throw new KvalError('usage', 'this validator is closed');
      return measure(pool, job, options, signal);
    },
    close: async () => {
      closed = true;
      if (options.pool === undefined) await pool.close();
    },
  };
}

/** The harness's workers, as the configuration says. */
export function openHarness(config: Config, changes: Partial<PoolOptions> = {}): WorkerPool {
  return openPool({
    command: [config.python, '-m', 'kval_harness'],
    environment: childEnvironment(config),
    logFolder: join(config.home, 'logs'),
    builders: config.workers,
    executorsPerGpu: config.gpuWorkers,
    sandbox: config.sandbox,
    cpu: {
      arguments: ['--cpu-device', config.buildCacheFolder, '--cpu-threads', String(config.cpuThreads)],
      workers: config.workers,
    },
    ...changes,
  });
}

/** The one name of a job in messages: problem, candidate and where the candidate comes from. */
export function aboutJob({ problem, candidate }: Job): string {
  return `${problem.id}, candidate ${candidate.hash.slice(0, 12)} of ${candidate.origin.generator}`;
}

async function measure(
  pool: WorkerPool,
  job: Job,
  { config, onProgress }: RealOptions,
  signal: AbortSignal | undefined,
): Promise<Measured> {
  const { settings } = job;
  const startedAt = new Date().toISOString();
  const params = {
    candidate: { source: job.candidate.source, language: job.candidate.language },
    problem: { source: job.problem.source, small: settings.small },
    settings: {
      arch: settings.arch,
      path: settings.buildPath,
      buildTimeoutMs: settings.buildTimeoutMs,
      cacheFolder: config.buildCacheFolder,
      cacheMaxBytes: Math.floor(config.buildCacheMaxBytes),
    },
  };
  const common = {
    about: aboutJob(job),
    signal,
    ...(onProgress === undefined ? {} : { onProgress: (progress: Progress) => onProgress(job, progress) }),
  };
  const compiled = await pool.ask(build, {
    ...common,
    on: 'build',
    params: ({ folder }) => ({ ...params, folder }),
    timeoutMs: patience(settings.buildTimeoutMs),
  });
  const verdict = { kind: 'measured', jobKey: jobKey(job) } as const;
  if (settings.device === 'none' || compiled.result.outcome.status !== 'built') {
    return {
      ...verdict,
      ...compiled.result,
      fidelity: 'built',
      execution: null,
      provenance: provenanceOf([compiled], job, startedAt),
    };
  }

  const emulated = settings.device === 'cpu';
  const executed = await pool.ask(execute, {
    ...common,
    on: settings.device,
    params: ({ folder, device }) => ({
      ...params,
      folder,
      device: { kind: device?.kind ?? 'cuda', index: device?.index ?? 0 },
      settings: {
        ...params.settings,
        precision: settings.precision,
        trials: settings.trials,
        timingTrials: emulated ? 0 : settings.timingTrials,
        executeTimeoutMs: settings.executeTimeoutMs,
        compat: settings.compat,
      },
    }),
    timeoutMs: patience(settings.buildTimeoutMs + settings.executeTimeoutMs),
  });
  return {
    ...verdict,
    outcome: executed.result.outcome,
    execution: executed.result.execution,
    // The first build is the one that took the time; the second comes from the cache.
    build: compiled.result.build,
    fidelity: executed.result.execution === null ? 'built' : emulated ? 'emulated' : 'measured',
    provenance: provenanceOf([compiled, executed], job, startedAt),
  };
}

/** The harness keeps its own limits; a worker that is far beyond them hangs. */
function patience(limitMs: number): number {
  return 2 * limitMs + 60_000;
}

function provenanceOf(answers: readonly Answer<unknown>[], job: Job, startedAt: string): Provenance {
  const last = answers.at(-1);
  return {
    harness: last?.hello.harness ?? '',
    python: last?.hello.python ?? '',
    torch: last?.hello.torch ?? null,
    cuda: last?.hello.torchCuda ?? null,
    nvcc: last?.hello.nvcc ?? null,
    gxx: last?.hello.gxx ?? null,
    device: last?.device?.name ?? null,
    driver: last?.device?.driver ?? null,
    arch: job.settings.arch,
    startedAt,
    durationMs: answers.reduce((total, answer) => total + answer.durationMs, 0),
  };
}

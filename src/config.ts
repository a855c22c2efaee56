import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { KvalError } from './errors.js';

export const sandboxes = ['required', 'best-effort'] as const;
export type Sandbox = (typeof sandboxes)[number];

/** The one place that knows where the rooms are and reads the environment. */
export interface Config {
  /** The folder of kval itself: where `package.json` stands. */
  readonly root: string;
  /** What kval keeps between runs and can make again: build cache, quickstart state, reports. */
  readonly home: string;
  readonly python: string;
  readonly harnessFolder: string;
  readonly modelsFolder: string;
  readonly starterFolder: string;
  readonly starterCandidatesFolder: string;
  /** The embedded simulator that ships. */
  readonly embeddedModelFolder: string;
  readonly buildCacheFolder: string;
  readonly buildCacheMaxBytes: number;
  /** Other people's kernels, where somebody has them: tests and benchmarks only. */
  readonly corporaFolder: string | null;
  readonly workers: number;
  /** Workers for each GPU: more than one share it, except while one of them times. */
  readonly gpuWorkers: number;
  /** How many threads one job may use on the device `cpu`. */
  readonly cpuThreads: number;
  /** `required`: nothing is judged where a fence is missing; `best-effort`: behind those that this machine has. */
  readonly sandbox: Sandbox;
  /** What a client of the service must know; null where nothing is asked of it. */
  readonly serviceToken: string | null;
  /** The Redis whose workers build and execute; null: this machine does. Holds its password. */
  readonly queue: string | null;
  readonly endpoint: { readonly baseUrl: string | null; readonly apiKey: string | null; readonly model: string | null };
}

const environmentSchema = z.object({
  KVAL_HOME: z.string().optional(),
  KVAL_PYTHON: z.string().optional(),
  KVAL_CORPORA: z.string().optional(),
  KVAL_WORKERS: z.coerce.number().int().positive().optional(),
  KVAL_GPU_WORKERS: z.coerce.number().int().positive().optional(),
  KVAL_CPU_THREADS: z.coerce.number().int().positive().optional(),
  KVAL_SANDBOX: z.enum(sandboxes).optional(),
  KVAL_TOKEN: z.string().optional(),
  KVAL_QUEUE: z.string().optional(),
  KVAL_CACHE_GIB: z.coerce.number().positive().optional(),
  OPENAI_BASE_URL: z.string().optional(),
  OPENAI_API_KEY: z.string().optional(),
  KVAL_ENDPOINT_MODEL: z.string().optional(),
});

export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const parsed = environmentSchema.safeParse(withoutEmpty(environment));
  if (!parsed.success) {
    throw new KvalError('usage', `an environment variable is not what it should be: ${z.prettifyError(parsed.error)}`);
  }
  const variables = parsed.data;
  const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
  const home = resolve(variables.KVAL_HOME ?? join(root, '.kval'));
  const venvPython = join(root, '.venv', 'bin', 'python');
  const cores = Math.max(1, cpus().length);
  const workers = variables.KVAL_WORKERS ?? cores;
  const corpora = variables.KVAL_CORPORA ?? join(root, '..', 'shared', 'corpora');
  return {
    root,
    home,
    python: variables.KVAL_PYTHON ?? (existsSync(venvPython) ? venvPython : 'python3'),
    harnessFolder: join(root, 'cuda-harness'),
    modelsFolder: join(root, 'models'),
    starterFolder: join(root, 'kernelbench', 'starter'),
    starterCandidatesFolder: join(root, 'kernelbench', 'candidates'),
    embeddedModelFolder: join(root, 'models', 'embedded'),
    buildCacheFolder: join(home, 'builds'),
    buildCacheMaxBytes: (variables.KVAL_CACHE_GIB ?? 8) * 2 ** 30,
    corporaFolder: existsSync(corpora) ? corpora : null,
    workers,
    gpuWorkers: variables.KVAL_GPU_WORKERS ?? 1,
    cpuThreads: variables.KVAL_CPU_THREADS ?? Math.max(1, Math.floor(cores / workers)),
    sandbox: variables.KVAL_SANDBOX ?? 'best-effort',
    serviceToken: variables.KVAL_TOKEN ?? null,
    queue: variables.KVAL_QUEUE ?? null,
    endpoint: {
      baseUrl: variables.OPENAI_BASE_URL ?? null,
      apiKey: variables.OPENAI_API_KEY ?? null,
      model: variables.KVAL_ENDPOINT_MODEL ?? null,
    },
  };
}

/** A variable that is set to nothing is not set. */
function withoutEmpty(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
}

/** What fine-tuning and serving get: also what the libraries there are told by name (hub, cluster, engine). */
export function modelEnvironment(config: Config, environment: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const told = Object.entries(environment).flatMap(([name, value]): [string, string][] =>
    value !== undefined && /^(HF_|NCCL_|ACCELERATE_|OMP_NUM_THREADS$|VLLM_|SGLANG_|LMDEPLOY_)/.test(name)
      ? [[name, value]]
      : [],
  );
  return { ...childEnvironment(config, environment), ...Object.fromEntries(told) };
}

/** What a child process gets of this one's environment: enough to run compilers, no secrets. */
export function childEnvironment(config: Config, environment: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const passed = [
    'PATH',
    'HOME',
    'LANG',
    'LC_ALL',
    'TMPDIR',
    'CUDA_HOME',
    'CUDA_VISIBLE_DEVICES',
    'CUDA_DEVICE_ORDER',
    'NVIDIA_VISIBLE_DEVICES',
    'LD_LIBRARY_PATH',
    'CXX',
    'KVAL_NVCC',
  ];
  const child: Record<string, string> = {
    PYTHONPATH: `${config.harnessFolder}:${config.modelsFolder}`,
    PYTHONUNBUFFERED: '1',
  };
  for (const name of passed) {
    const value = environment[name];
    if (value !== undefined) child[name] = value;
  }
  return child;
}

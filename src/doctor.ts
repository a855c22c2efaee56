import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Config } from './config.js';
import { type KvalError, toKvalError } from './errors.js';
import { hasSoftware } from './worker/choose-device.js';
import type { Hello } from './worker/protocol.js';

/** One thing that kval can use: whether it is here, and if not, what that costs and what mends it. */
export interface Check {
  readonly name: string;
  readonly status: 'ok' | 'missing' | 'limited';
  readonly found: string;
  /** What cannot be done without it; empty when it is here. */
  readonly cost: string;
  /** The command that mends it; empty when there is none. */
  readonly mend: string;
}

const gibi = 2 ** 30;
const setup = 'npm run setup';

/** Starts a Python worker, one that builds or one that executes in software, and returns its first line. */
type Greet = (on: 'build' | 'cpu') => Promise<Hello>;

/** Looks at this machine. */
export async function examine(config: Config, greet: Greet): Promise<Check[]> {
  const hello = await greet('build').catch((thrown: unknown) => toKvalError(thrown));
  return [
    node(),
    machine(),
    disk(config),
    ...(isHello(hello)
      ? [...python(config, hello), gpu(hello), await software(hello, greet), sandbox(hello)]
      : [noWorker(config, hello)]),
    model(config),
    endpoint(config),
    corpora(config),
  ];
}

/** Whether labels can be made at all: what `missing` means is up to each check, this is the sum. */
export function healthy(checks: readonly Check[]): boolean {
  return checks.every((check) => check.status !== 'missing');
}

function node(): Check {
  return ok('Node', `${process.versions.node} (needs >= 20.19)`);
}

function machine(): Check {
  const [first] = cpus();
  const memory = totalmem() / gibi;
  const found = `${cpus().length} cores (${first?.model.trim() ?? 'unknown'}), ${memory.toFixed(0)} GiB of memory`;
  return memory < 7
    ? limited('machine', found, 'one stock build takes about 4 GiB', 'set KVAL_WORKERS=1')
    : ok('machine', found);
}

function disk(config: Config): Check {
  const folder = existsSync(config.home) ? config.home : config.root;
  const { bavail, bsize } = statfsSync(folder);
  const free = (bavail * bsize) / gibi;
  const found = `${free.toFixed(0)} GiB free at ${folder}`;
  return free < 4
    ? limited('disk', found, 'the build cache alone may grow to several GiB', 'kval cache prune, or KVAL_CACHE_GIB')
    : ok('disk', found);
}

function noWorker(config: Config, error: KvalError): Check {
  return {
    name: 'Python harness',
    status: 'missing',
    found: `${config.python}: ${error.message}`,
    cost: 'no kernel can be built or run; prediction by the embedded simulator still works',
    mend: setup,
  };
}

function python(config: Config, hello: Hello): Check[] {
  return [
    ok('Python', `${hello.python} (${config.python})`),
    hello.torch === null
      ? missing('torch', 'not importable', 'nothing can be executed, and the stock build has no headers', setup)
      : ok('torch', `${hello.torch}, made for CUDA ${hello.torchCuda ?? 'none'}`),
    nvcc(hello),
    hello.gxx === null
      ? missing('C++ compiler', 'no g++', 'no kernel can be built', 'apt-get install g++')
      : ok('C++ compiler', `g++ ${hello.gxx}`),
  ];
}

function nvcc(hello: Hello): Check {
  if (hello.nvcc === null) return missing('nvcc', 'not found', 'no kernel can be built', `${setup}, or set KVAL_NVCC`);
  const found = `${hello.nvcc} (${hello.nvccPath ?? '?'})`;
  const major = (version: string | null): string => version?.split('.')[0] ?? '';
  return major(hello.nvcc) === major(hello.torchCuda)
    ? ok('nvcc', `${found}, fits torch's CUDA ${hello.torchCuda ?? ''}`)
    : limited(
        'nvcc',
        `${found}, but torch is made for CUDA ${hello.torchCuda ?? 'none'}`,
        'torch refuses to build extensions with another major version',
        `${setup}, or point KVAL_NVCC at a fitting nvcc`,
      );
}

function gpu(hello: Hello): Check {
  if (hello.devices.length === 0) return limited('GPU', 'none', 'no kernel is timed', '');
  const names = hello.devices.map(
    (device) =>
      `${device.index}: ${device.name}, ${(device.memoryBytes / gibi).toFixed(0)} GiB, sm_${device.computeCapability.replace('.', '')}, driver ${device.driver ?? '?'}`,
  );
  return ok('GPU', names.join('; '));
}

async function software(hello: Hello, greet: Greet): Promise<Check> {
  const name = 'device cpu';
  const cost = 'where there is no GPU, kernels are built but not executed';
  if (!hasSoftware(hello)) return limited(name, 'it needs nvcc, g++ and a torch made for CUDA', cost, setup);
  const greeting = await greet('cpu').catch((thrown: unknown) => toKvalError(thrown));
  if (!isHello(greeting)) return limited(name, greeting.message, cost, setup);
  const found = greeting.devices.map((device) => device.name).join('; ');
  return ok(name, `${found}: executes kernels and checks their answers (emulated), without timing`);
}

function sandbox(hello: Hello): Check {
  const facts = Object.entries(hello.sandbox).map(
    ([name, value]) => `${name}: ${value === null ? 'no' : String(value)}`,
  );
  return ok('containment', `process group, resource limits and a scrubbed environment; ${facts.join(', ')}`);
}

function model(config: Config): Check {
  const file = join(config.embeddedModelFolder, 'model.json.gz');
  const plain = join(config.embeddedModelFolder, 'model.json');
  return [file, plain].some(readable)
    ? ok('embedded simulator', config.embeddedModelFolder)
    : limited('embedded simulator', 'no model', '--mode simulated and hybrid do not work', 'npm run quickstart');
}

function endpoint(config: Config): Check {
  const { baseUrl, apiKey, model: name } = config.endpoint;
  if (baseUrl === null && apiKey === null) {
    return limited(
      'model endpoint',
      'none configured',
      '`kval generate` has nothing to ask',
      'set OPENAI_BASE_URL and OPENAI_API_KEY',
    );
  }
  const key = apiKey === null ? 'without a key' : 'with a key';
  return ok('model endpoint', `${baseUrl ?? 'the default of the openai package'}, ${key}, model ${name ?? 'not set'}`);
}

function corpora(config: Config): Check {
  return config.corporaFolder === null
    ? limited('corpora', 'none', "tests and benchmarks on other people's kernels are skipped", 'set KVAL_CORPORA')
    : ok('corpora', config.corporaFolder);
}

function readable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return readFileSync(path).length > 0;
  } catch {
    return false;
  }
}

function isHello(value: Hello | KvalError): value is Hello {
  return 'type' in value;
}

function ok(name: string, found: string): Check {
  return { name, status: 'ok', found, cost: '', mend: '' };
}

function missing(name: string, found: string, cost: string, mend: string): Check {
  return { name, status: 'missing', found, cost, mend };
}

function limited(name: string, found: string, cost: string, mend: string): Check {
  return { name, status: 'limited', found, cost, mend };
}

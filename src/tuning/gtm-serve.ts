import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { KvalError } from '../errors.js';
import { openGtmFolder, type Serving, servingPath, writeServing } from '../simulator/openai-folder.js';
import { killTree } from '../worker/kill-tree.js';

export const engines = ['vllm', 'sglang', 'lmdeploy', 'transformers'] as const;
export type Engine = (typeof engines)[number];

export interface ServeOptions {
  readonly folder: string;
  readonly engine: Engine;
  readonly port: number;
  /** A Python that has the engine. */
  readonly python: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Handed to the engine as they are, after kval's own. */
  readonly extra?: readonly string[];
  readonly readyTimeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onLine?: (line: string) => void;
}

export interface Served {
  readonly serving: Serving;
  /** Settles when the engine has ended by itself: an error, with its last lines. */
  readonly ended: Promise<never>;
  close(): Promise<void>;
}

/**
 * Starts an engine on loopback for a fine-tuned model and waits until it is ready. `serving.json` in the model's folder
 * tells where it is while it lasts. Throws `toolchain-missing` where the engine is not installed.
 */
export async function serveGtm(options: ServeOptions): Promise<Served> {
  const { folder, engine, port, python, signal } = options;
  const facts = await openGtmFolder(folder);
  if (!facts.merged) {
    throw new KvalError('usage', `the model in ${folder} is an adapter without its base`, {
      fix: 'Fine-tune with --merge, so that engines can load it.',
    });
  }
  if (await isTaken(port)) {
    throw new KvalError('usage', `port ${port} is in use`, { fix: 'Name another with --port.' });
  }
  const model = engine === 'transformers' ? folder : `gtm-${facts.model}`;
  const words = commands[engine](port, model).split(' ');
  const child = execa(python, ['-m', ...words, folder, ...(options.extra ?? [])], {
    env: { ...options.environment, PYTHONUNBUFFERED: '1', HF_HUB_OFFLINE: '1', VLLM_NO_USAGE_STATS: '1' },
    extendEnv: false,
    stdin: 'ignore',
    all: true,
    reject: false,
    buffer: false,
    detached: true,
  });
  const tail: string[] = [];
  const relayed = (async () => {
    for await (const line of child.iterable({ from: 'all' })) {
      tail.push(line);
      if (tail.length > 20) tail.shift();
      options.onLine?.(line);
    }
  })();
  let closing = false;
  const ended = child.then(async (end): Promise<never> => {
    await relayed.catch(() => {});
    if (closing) throw new KvalError('interrupted', 'the engine was stopped');
    throw failure(engine, python, tail, end.shortMessage ?? `exit status ${end.exitCode}`);
  });
  ended.catch(() => {});
  const close = async (): Promise<void> => {
    closing = true;
    await rm(servingPath(folder), { force: true });
    child.kill('SIGTERM');
    const gone = await Promise.race([ended.catch(() => true), sleep(15_000, false, { ref: false })]);
    if (child.pid !== undefined && gone === false) killTree(child.pid);
    await ended.catch(() => {});
  };
  try {
    await Promise.race([ended, ready(port, options.readyTimeoutMs ?? 900_000, signal)]);
    const serving: Serving = { engine, baseUrl: `http://127.0.0.1:${port}/v1`, model };
    await writeServing(folder, serving);
    return { serving, ended, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/**
 * What each engine needs for this work: loopback alone, the shared start of all prompts computed once, log-probabilities,
 * answers held to a JSON schema without blanks between (vLLM lets a model write nothing but blanks otherwise). What is not
 * said here an engine does unasked. The folder follows as the last word.
 */
const commands: Record<Engine, (port: number, model: string) => string> = {
  vllm: (port, model) =>
    `vllm.entrypoints.openai.api_server --host 127.0.0.1 --port ${port} --served-model-name ${model} --enable-prefix-caching --generation-config vllm --structured-outputs-config {"backend":"xgrammar","disable_any_whitespace":true} --model`,
  sglang: (port, model) =>
    `sglang.launch_server --host 127.0.0.1 --port ${port} --served-model-name ${model} --grammar-backend xgrammar --constrained-json-disable-any-whitespace --model-path`,
  lmdeploy: (port, model) =>
    `lmdeploy serve api_server --server-name 127.0.0.1 --server-port ${port} --model-name ${model} --enable-prefix-caching --logprobs-mode raw_logprobs`,
  transformers: (port) => `transformers.cli.transformers serve --host 127.0.0.1 --port ${port}`,
};

async function ready(port: number, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
  const until = Date.now() + timeoutMs;
  while (Date.now() < until) {
    if (signal?.aborted === true) throw new KvalError('interrupted', 'stopped before the engine was ready');
    const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => null);
    if (answer?.ok === true) return;
    await sleep(250);
  }
  throw new KvalError('endpoint-failed', `the engine was not ready after ${timeoutMs / 1000} s`);
}

function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const say = (taken: boolean) => () => {
      socket.destroy();
      resolve(taken);
    };
    socket.once('connect', say(true)).once('error', say(false));
  });
}

function failure(engine: Engine, python: string, tail: readonly string[], why: string): KvalError {
  const text = tail.slice(-8).join('\n');
  if (/No module named/.test(text) || /ENOENT/.test(why)) {
    return new KvalError('toolchain-missing', `${python} has no ${engine}: ${text || why}`, {
      fix: `Install ${engine} in an environment of its own and name its Python with --python.`,
    });
  }
  return new KvalError('endpoint-failed', `${engine} ended: ${text || why}`, {
    fix: 'Read the message above; options for the engine follow after --.',
  });
}

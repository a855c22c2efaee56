import { execa } from 'execa';
import { z } from 'zod';
import { type ErrorCode, KvalError } from '../errors.js';
import { killTree } from '../worker/kill-tree.js';

export interface TrainProgress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
}

const lineSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), stage: z.string(), done: z.int(), total: z.int() }),
  z.object({ type: z.literal('error'), message: z.string() }),
]);

/** Runs a command of `kval_models` to its end, passing its progress on. */
export async function runModels(
  command: readonly string[],
  options: {
    readonly python: string;
    readonly environment: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal;
    readonly onProgress?: (progress: TrainProgress) => void;
    /** Starts the command on several processes: the arguments that come before it. */
    readonly launcher?: readonly string[];
  },
): Promise<void> {
  const child = execa(options.python, [...(options.launcher ?? []), '-m', 'kval_models', ...command], {
    env: { ...options.environment, PYTHONUNBUFFERED: '1' },
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    forceKillAfterDelay: 2000,
  });
  // A launcher's processes would outlive it, and go on training.
  const stop = (): void => {
    if (child.pid !== undefined) killTree(child.pid);
  };
  options.signal?.addEventListener('abort', stop, { once: true });
  let refusal: string | null = null;
  for await (const line of child.iterable({ from: 'stdout' })) {
    const parsed = lineSchema.safeParse(parseJson(line));
    if (!parsed.success) continue;
    if (parsed.data.type === 'error') refusal = parsed.data.message;
    else options.onProgress?.({ stage: parsed.data.stage, done: parsed.data.done, total: parsed.data.total });
  }
  const ended = await child;
  options.signal?.removeEventListener('abort', stop);
  if (ended.isCanceled) throw new KvalError('interrupted', 'the training was stopped');
  if (refusal !== null) {
    throw new KvalError('bad-input', refusal, {
      fix:
        command[0] === 'train-gtm'
          ? 'Correct the recipe, the base or the --set named above.'
          : 'Label more kernels with `kval label`, then build the set again.',
    });
  }
  if (ended.exitCode === 0) return;
  if (ended.code === 'ENOENT') throw new KvalError('toolchain-missing', `there is no Python at ${options.python}`);
  const tail = lastWords(ended.stderr);
  throw new KvalError(codeOf(tail), `the training failed: ${tail || ended.shortMessage}`);
}

/** From the last exception on: a launcher says much after it, and nothing that helps. */
function lastWords(stderr: string): string {
  const lines = stderr.split('\n');
  const last = lines.findLastIndex(
    (line) => /^(\[rank\d+\]: ?)?[\w.]+(Error|Exception)\b/.test(line) && !/ChildFailedError/.test(line),
  );
  return (last === -1 ? lines.slice(-6) : lines.slice(last, last + 6)).join('\n');
}

function codeOf(tail: string): ErrorCode {
  if (/ModuleNotFoundError/.test(tail)) return 'toolchain-missing';
  if (/OutOfMemoryError|CUDA out of memory/.test(tail)) return 'instrument';
  return /No space left on device/.test(tail) ? 'disk-full' : 'internal';
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

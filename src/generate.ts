import pLimit from 'p-limit';
import { KvalError, toKvalError } from './errors.js';
import { type Endpoint, openEndpoint, RequestRefused } from './generate/ask.js';
import { extractCode } from './generate/extract-code.js';
import { kernelPrompt, promptVersion } from './generate/prompt.js';
import { openSamplesFolder, type SampleName, type SamplesFolder, type TotalUsage } from './generate/samples-folder.js';
import type { Problem } from './problem.js';

export type { Endpoint } from './generate/ask.js';

export interface GenerateOptions {
  /** Of one set: a runs folder has one, and its `generation_config.yaml` names it (`problem_set`). */
  readonly problems: readonly Problem[];
  /** Samples for each problem, numbered from 0. */
  readonly samples: number;
  readonly endpoint: Endpoint;
  readonly outFolder: string;
  /** Requests under way at once. */
  readonly concurrency?: number;
  readonly temperature?: number;
  readonly maxTokens?: number;
  /** Wall time of one attempt. */
  readonly timeoutMs?: number;
  /** Attempts for one sample. */
  readonly attempts?: number;
  /** The first pause between two attempts; it doubles. */
  readonly pauseMs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: GenerateProgress) => void;
}

export interface GenerateProgress {
  readonly total: number;
  /** `kept + written + withoutCode + failed`. */
  readonly done: number;
  /** Samples whose kernel was there already. */
  readonly kept: number;
  readonly written: number;
  /** Answers that hold no code; they are kept, and asked for again by the next run. */
  readonly withoutCode: number;
  /** Samples that got no answer. */
  readonly failed: number;
  /** Tokens of the whole folder, earlier runs included. */
  readonly usage: TotalUsage;
}

export interface GenerateReport extends GenerateProgress {
  readonly folder: string;
  readonly failures: readonly { readonly problemId: string; readonly sample: number; readonly message: string }[];
}

/**
 * Samples candidates from an OpenAI-compatible endpoint into a KernelBench runs folder.
 *
 * For each sample: `level_L_problem_P_sample_S_kernel.py`, `_prompt.txt`, `_response.txt`, and `_response.json` with what it
 * cost; for the run `generation_config.yaml` and `generation_usage.json`. A sample whose kernel is there is not asked again,
 * so a stopped run continues with the same call. The importer reads the folder back, under the problem set that it names.
 *
 * Throws a `KvalError` where the endpoint cannot serve at all (`endpoint-failed`), the folder belongs to another run, the disk
 * is full, or the signal stops it; what was sampled until then is kept.
 */
export async function generate(options: GenerateOptions): Promise<GenerateReport> {
  const { problems, samples, endpoint } = options;
  const set = oneSet(problems);
  if (!Number.isSafeInteger(samples) || samples < 1)
    throw new KvalError('usage', 'at least one sample for each problem');
  const concurrency = options.concurrency ?? 8;
  const temperature = options.temperature ?? 0.8;
  const maxTokens = options.maxTokens ?? 16_384;
  const ask = openEndpoint(endpoint, {
    temperature,
    maxTokens,
    timeoutMs: options.timeoutMs ?? 900_000,
    attempts: options.attempts ?? 6,
    pauseMs: options.pauseMs ?? 1_000,
  });
  const levels = [...new Set(problems.map((problem) => problem.level))];
  const folder = await openFolder(options.outFolder, {
    model: endpoint.model,
    set,
    levels,
    samples,
    temperature,
    maxTokens,
    concurrency,
    promptVersion,
  });

  const wanted = problems.flatMap((problem) =>
    Array.from({ length: samples }, (_, sample) => ({
      problem,
      name: { level: problem.level, number: problem.number, sample },
    })),
  );
  const missing = wanted.filter(({ name }) => !folder.has(name));
  const count = { kept: wanted.length - missing.length, written: 0, withoutCode: 0, failed: 0 };
  const failures: GenerateReport['failures'][number][] = [];
  const progress = (): GenerateProgress => ({
    total: wanted.length,
    done: count.kept + count.written + count.withoutCode + count.failed,
    ...count,
    usage: folder.total(),
  });
  const tell = (): void => options.onProgress?.(progress());

  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const patience = Math.max(4, 2 * concurrency);
  let failedInARow = 0;
  let broken: KvalError | null = null;
  const breakOff = (error: KvalError): void => {
    broken ??= error;
    stop.abort();
  };

  const sampleOne = async (problem: Problem, name: SampleName): Promise<void> => {
    if (signal.aborted) return;
    try {
      const written = await sampleKernel(folder, endpoint.model, problem, name, ask, signal);
      count[written ? 'written' : 'withoutCode'] += 1;
      failedInARow = 0;
    } catch (thrown) {
      if (!(thrown instanceof RequestRefused)) {
        if (!signal.aborted) breakOff(toKvalError(thrown));
        return;
      }
      count.failed += 1;
      failedInARow += 1;
      failures.push({ problemId: problem.id, sample: name.sample, message: thrown.message });
      if (failedInARow >= patience) {
        const message = `${failedInARow} requests in a row failed, the last one with: ${thrown.message}`;
        breakOff(new KvalError('endpoint-failed', message, { retry: true }));
      }
    }
    tell();
  };

  tell();
  const limit = pLimit(concurrency);
  await Promise.all(missing.map(({ problem, name }) => limit(() => sampleOne(problem, name))));
  await folder.close().catch((thrown: unknown) => breakOff(toKvalError(thrown)));
  if (broken !== null) throw broken;
  if (options.signal?.aborted) {
    const { done, total } = progress();
    throw new KvalError('interrupted', `stopped after ${done} of ${total} samples; they are kept in ${folder.path}`);
  }
  return { ...progress(), folder: folder.path, failures };
}

/** Asks for one sample and writes what came; says whether there was a kernel in it. */
async function sampleKernel(
  folder: SamplesFolder,
  model: string,
  problem: Problem,
  name: SampleName,
  ask: ReturnType<typeof openEndpoint>,
  signal: AbortSignal,
): Promise<boolean> {
  const prompt = kernelPrompt(problem);
  const { text, finishReason, usage, attempts } = await ask(prompt, signal);
  const code = extractCode(text, finishReason);
  await folder.write(name, { prompt, answer: text, code, model, finishReason, usage, attempts });
  return code !== null;
}

function oneSet(problems: readonly Problem[]): string {
  const sets = [...new Set(problems.map((problem) => problem.set))];
  const [set] = sets;
  if (set === undefined) throw new KvalError('usage', 'no problems to sample for');
  if (sets.length > 1) {
    throw new KvalError('usage', `the problems are of several sets (${sets.join(', ')}); a runs folder holds one`, {
      fix: 'Run once for each set, each time with another --out.',
    });
  }
  return set;
}

async function openFolder(...parts: Parameters<typeof openSamplesFolder>): Promise<SamplesFolder> {
  try {
    return await openSamplesFolder(...parts);
  } catch (thrown) {
    throw toKvalError(thrown);
  }
}

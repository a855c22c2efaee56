import { once } from 'node:events';
import { execa } from 'execa';
import { z } from 'zod';
import { KvalError, toKvalError } from '../errors.js';
import { interrupted } from './interrupt.js';
import { killTree } from './kill-tree.js';
import { readLines } from './lines.js';
import {
  anyHelloSchema,
  cancel,
  type Hello,
  helloSchema,
  type InstrumentError,
  type Method,
  type Progress,
  protocolVersion,
  replySchema,
} from './protocol.js';
import { openWorkerLog } from './worker-log.js';

export interface WorkerOptions {
  /** Program and arguments, such as `[config.python, '-m', 'kval_harness']`. */
  readonly command: readonly [string, ...string[]];
  /** All that the child sees of the environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Named in messages and in the log's file name. */
  readonly name: string;
  readonly logFolder: string;
  /** How long the first line may take; importing torch on a cold disk is slow. */
  readonly helloTimeoutMs?: number;
  /** How long a cancelled request may take to end before the worker is killed. */
  readonly cancelGraceMs?: number;
  readonly maxLineBytes?: number;
  readonly signal?: AbortSignal;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: Progress) => void;
  /** After this long without an answer the worker counts as hung and is killed. */
  readonly timeoutMs?: number;
}

/** One Python child as an async function. */
export interface WorkerProcess {
  readonly name: string;
  readonly pid: number;
  readonly hello: Hello;
  /** False as soon as it died, broke the protocol or was closed; it answers nothing more then. */
  readonly alive: boolean;
  /**
   * Asks one question. Throws `InstrumentFailure` for an error that the worker reports, and `KvalError` with
   * `worker-died`, `worker-protocol` or `interrupted` where it reports nothing.
   */
  call<P, R>(method: Method<P, R>, params: P, options?: CallOptions): Promise<R>;
  close(): Promise<void>;
}

/** The worker's own word that it could not judge. */
export class InstrumentFailure extends Error {
  readonly instrument: InstrumentError;

  constructor(instrument: InstrumentError) {
    super(instrument.message);
    this.name = 'InstrumentFailure';
    this.instrument = instrument;
  }
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

const goodbyeMs = 5_000;

/** Starts a worker and waits for its first line. Nothing of it is left when this throws. */
export async function startWorker(options: WorkerOptions): Promise<WorkerProcess> {
  const {
    name,
    signal,
    command,
    helloTimeoutMs = 120_000,
    cancelGraceMs = 5_000,
    maxLineBytes = 64 * 2 ** 20,
  } = options;
  if (signal?.aborted) throw interrupted(name);
  const [program, ...args] = command;
  const child = execa(program, args, {
    // A group of its own: Ctrl-C does not reach it, and one kill reaches all of it.
    detached: true,
    env: { ...options.environment },
    extendEnv: false,
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
    buffer: false,
    reject: false,
  });
  const { pid } = child;
  if (pid === undefined) throw cannotStart(name, program, (await child).shortMessage ?? 'it did not start');

  const log = openWorkerLog(options.logFolder, name);
  const pending = new Map<string, Pending>();
  const unanswered = new Set<string>();
  let failure: KvalError | undefined;
  let closing: Promise<void> | undefined;
  let nextId = 1;
  let onHello: ((line: string) => void) | undefined;

  child.stderr.on('data', (piece: Buffer) => log.write(piece));
  child.stdin.on('error', () => {}); // a dead worker's stdin; its exit tells the story
  const outEnded = readLines(child.stdout, { maxLineBytes, onLine: take, onTooLong: tooLong });
  const exited = once(child, 'exit').then(async ([code, killedBy]: unknown[]) => {
    // A grandchild may hold stdout open for ever: what is to come has come a moment after the exit.
    await Promise.race([outEnded, pause(250)]);
    fail(died(code, killedBy));
    child.stdout.destroy();
    child.stderr.destroy();
    log.close();
  });

  function take(line: string): void {
    if (failure !== undefined) return;
    if (onHello !== undefined) onHello(line);
    else takeReply(line);
  }

  function takeReply(line: string): void {
    const reply = replySchema.safeParse(jsonOf(line));
    if (!reply.success) {
      breach(`it wrote a line that is no reply: ${excerpt(line)}`);
      return;
    }
    const { id, type } = reply.data;
    const asked = pending.get(id);
    if (asked === undefined) {
      if (!unanswered.has(id)) breach(`it answered request ${id}, which nobody is waiting for: ${excerpt(line)}`);
      else if (type !== 'progress') unanswered.delete(id);
      return;
    }
    if (type === 'progress') {
      asked.onProgress?.(reply.data);
      return;
    }
    pending.delete(id);
    if (type === 'result') asked.resolve(reply.data.result);
    else asked.reject(new InstrumentFailure(reply.data.error));
  }

  function tooLong(): void {
    breach(`it wrote a line of more than ${maxLineBytes} bytes`);
  }

  function breach(what: string): void {
    kill(new KvalError('worker-protocol', `${name} does not keep to the protocol: ${what}${log.excerpt()}`));
  }

  function died(code: unknown, killedBy: unknown): KvalError {
    const how = typeof killedBy === 'string' ? `was killed by ${killedBy}` : `ended with status ${String(code)}`;
    return new KvalError('worker-died', `${name} ${how}${log.excerpt()}`, { retry: true });
  }

  function fail(error: KvalError): void {
    failure ??= error;
    for (const asked of pending.values()) asked.reject(failure);
    pending.clear();
  }

  function kill(error: KvalError): void {
    fail(error);
    killTree(pid ?? 0);
  }

  function post(id: string, method: string, params: unknown): void {
    child.stdin.write(`${JSON.stringify({ id, method, params })}\n`);
  }

  async function hello(): Promise<Hello> {
    return await new Promise<Hello>((resolve, reject) => {
      const limit = setTimeout(() => {
        refuse(new KvalError('worker-died', `${name} said nothing for ${helloTimeoutMs} ms${log.excerpt()}`));
      }, helloTimeoutMs);
      const onAbort = () => refuse(interrupted(name));
      const settle = () => {
        clearTimeout(limit);
        signal?.removeEventListener('abort', onAbort);
        onHello = undefined;
      };
      const refuse = (error: KvalError) => {
        settle();
        kill(error);
        reject(failure ?? error);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      void exited.then(() => {
        settle();
        reject(failure ?? died(null, null));
      });
      onHello = (line) => {
        const read = readHello(line);
        if (typeof read === 'string') {
          return refuse(new KvalError('worker-protocol', `${name} ${read}${log.excerpt()}`));
        }
        settle();
        resolve(read);
      };
    });
  }

  async function call<P, R>(method: Method<P, R>, params: P, callOptions: CallOptions = {}): Promise<R> {
    if (failure !== undefined) throw failure;
    if (callOptions.signal?.aborted) throw interrupted(name);
    const id = String(nextId++);
    const timers: NodeJS.Timeout[] = [];
    const onAbort = () => {
      const cancelId = String(nextId++);
      unanswered.add(cancelId);
      post(cancelId, cancel.name, { target: id });
      timers.push(setTimeout(() => kill(interrupted(name)), cancelGraceMs));
    };
    try {
      const answer = new Promise<unknown>((resolve, reject) => {
        pending.set(id, { resolve, reject, onProgress: callOptions.onProgress });
      });
      callOptions.signal?.addEventListener('abort', onAbort, { once: true });
      const { timeoutMs } = callOptions;
      if (timeoutMs !== undefined) {
        const hung = `${name} did not answer "${method.name}" within ${timeoutMs} ms and was killed`;
        timers.push(
          setTimeout(() => kill(new KvalError('worker-died', `${hung}${log.excerpt()}`, { retry: true })), timeoutMs),
        );
      }
      post(id, method.name, params);
      const result = method.result.safeParse(await answer);
      if (result.success) return result.data;
      breach(`its result of "${method.name}" is not what it should be:\n${z.prettifyError(result.error)}`);
      throw failure;
    } catch (thrown) {
      // A cancelled request may end in any way; to the caller it was interrupted.
      if (callOptions.signal?.aborted) throw interrupted(name, thrown);
      throw thrown instanceof InstrumentFailure ? thrown : toKvalError(thrown);
    } finally {
      for (const timer of timers) clearTimeout(timer);
      callOptions.signal?.removeEventListener('abort', onAbort);
    }
  }

  async function end(): Promise<void> {
    const idle = pending.size === 0;
    fail(new KvalError('interrupted', `${name} was closed`));
    child.stdin.end();
    if (idle) await Promise.race([exited, pause(goodbyeMs)]);
    killTree(pid ?? 0);
    await exited;
  }

  const greeting = await hello();
  return {
    name,
    pid,
    hello: greeting,
    get alive() {
      return failure === undefined;
    },
    call,
    close: () => (closing ??= end()),
  };
}

function readHello(line: string): Hello | string {
  const json = jsonOf(line);
  const any = anyHelloSchema.safeParse(json);
  if (!any.success) return `wrote something else than its hello: ${excerpt(line)}`;
  if (any.data.protocol !== protocolVersion) {
    return `speaks protocol ${any.data.protocol}, and this version speaks ${protocolVersion}`;
  }
  const hello = helloSchema.safeParse(json);
  return hello.success ? hello.data : `says hello in a way that cannot be read:\n${z.prettifyError(hello.error)}`;
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function excerpt(line: string): string {
  return JSON.stringify(line.length > 200 ? `${line.slice(0, 200)}...` : line);
}

/** A program that is not there is missing; whatever else keeps it from starting (no process left, no memory) may pass. */
function cannotStart(name: string, program: string, why: string): KvalError {
  const message = `${name} cannot be started with "${program}": ${why}`;
  return /ENOENT|EACCES|ENOTDIR/.test(why)
    ? new KvalError('toolchain-missing', message)
    : new KvalError('instrument', message, { retry: true });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

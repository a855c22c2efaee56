import pLimit from 'p-limit';
import type { Sandbox } from '../config.js';
import { KvalError, toKvalError } from '../errors.js';
import { instrumentError } from './instrument.js';
import { leavable, throwIfAborted, wait } from './interrupt.js';
import { InstrumentFailure, startWorker, type WorkerOptions, type WorkerProcess } from './process.js';
import type { Device, Hello, Method, Progress } from './protocol.js';
import { inScratchFolder, sweepScratchFolders } from './scratch.js';
import { pruneWorkerLogs } from './worker-log.js';

export interface PoolOptions {
  readonly command: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string>>;
  readonly logFolder: string;
  /** How many workers build at once. */
  readonly builders: number;
  /** Workers for each GPU, 1 without it. They compute at the same time; who times has the GPU alone. */
  readonly executorsPerGpu?: number;
  /** Workers that have CUDA in software: what their command has beside the others', and how many of them there are. */
  readonly cpu?: { readonly arguments: readonly string[]; readonly workers: number };
  /** `required`: a worker on a machine that lacks one of the fences is asked nothing. */
  readonly sandbox?: Sandbox;
  /** Pauses before an instrument's failure is tried again: as many more tries as there are pauses. */
  readonly retryDelaysMs?: readonly number[];
  readonly limits?: Pick<WorkerOptions, 'helloTimeoutMs' | 'cancelGraceMs' | 'maxLineBytes'>;
  /** Told what no answer tells: that a GPU was taken out. */
  readonly onNotice?: (text: string) => void;
}

export type Lane = 'build' | 'cuda' | 'cpu';

/** Where a question is answered: an empty folder of its own, and a device where it needs one. */
export interface Place {
  readonly folder: string;
  readonly device: Device | null;
}

export interface Question<Params> {
  /** Named in messages: the candidate or the problem in question. */
  readonly about: string;
  /**
   * `build`: any build worker. `cuda`: any worker of a GPU. `cpu`: any worker that has CUDA in software.
   */
  readonly on: Lane;
  readonly params: (place: Place) => Params;
  /** A worker that has not answered by then is killed. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: Progress) => void;
}

export interface Answer<Result> {
  readonly result: Result;
  readonly hello: Hello;
  readonly device: Device | null;
  /** How long the worker took, the time in the queue not counted. */
  readonly durationMs: number;
}

/** Python workers that are started when they are needed, replaced when they die, and closed together. */
export interface WorkerPool {
  readonly builders: number;
  readonly executorsPerGpu: number;
  /** What the workers that build say they are, or those that execute in software; starts one where none runs yet. */
  hello(signal?: AbortSignal, on?: 'build' | 'cpu'): Promise<Hello>;
  /**
   * Asks a question in its turn. A worker that dies is replaced and the question asked once more; a failure that the
   * worker calls passing is tried again after a pause. A GPU that stays lost is asked nothing more while there are
   * others, and its question goes to one of them. Then throws a `KvalError` that names what the question was about.
   */
  ask<P, R>(method: Method<P, R>, question: Question<P>): Promise<Answer<R>>;
  close(): Promise<void>;
}

/** A seat for one worker; `worker` is null until somebody sits down, and again after a death. */
interface Seat {
  readonly name: string;
  readonly lane: Lane;
  /** The GPU that belongs to it. */
  readonly device: Device | null;
  worker: WorkerProcess | null;
}

interface Queue {
  /** Work that ends as `elsewhere` begins again in another seat. */
  enter<T>(
    signal: AbortSignal | undefined,
    about: string,
    work: (seat: Seat) => Promise<T | typeof elsewhere>,
  ): Promise<T>;
  /** Nobody sits here any more. False for the last seat, which stays. */
  remove(seat: Seat): boolean;
}

const elsewhere = Symbol('elsewhere');

export function openPool(options: PoolOptions): WorkerPool {
  const { builders, executorsPerGpu = 1, retryDelaysMs = [1_000, 5_000], limits = {} } = options;
  const closing = new AbortController();
  const seats: Seat[] = [];
  const queues: Partial<Record<Lane, Queue>> = {};
  const known: Partial<Record<Lane, Hello>> = {};
  let closed: Promise<void> | undefined;
  pruneWorkerLogs(options.logFolder);
  sweepScratchFolders();

  function newSeat(name: string, lane: Lane, device: Device | null = null): Seat {
    const seat = { name, lane, device, worker: null };
    seats.push(seat);
    return seat;
  }

  async function hello(signal?: AbortSignal, on: 'build' | 'cpu' = 'build'): Promise<Hello> {
    const about = 'starting a worker';
    if (known[on] !== undefined) return known[on];
    const queue = await queueOf({ on, about, signal });
    return queue.enter(signal, about, async (seat) => (await sitDown(seat)).hello);
  }

  async function queueOf({ on, about, signal }: Pick<Question<unknown>, 'on' | 'about' | 'signal'>): Promise<Queue> {
    const devices = on === 'cuda' ? (await hello(signal)).devices : [];
    queues[on] ??= openQueue(seatsOf(on, devices, about));
    return queues[on];
  }

  function seatsOf(lane: Lane, devices: readonly Device[], about: string): Seat[] {
    switch (lane) {
      case 'build':
        return numbered(builders, (number) => newSeat(`build worker ${number}`, lane));
      case 'cpu':
        if (options.cpu === undefined)
          throw new KvalError('device-missing', `${about}: these workers have no device cpu`);
        return numbered(options.cpu.workers, (number) => newSeat(`worker ${number} of device cpu`, lane));
      case 'cuda':
        if (devices.length === 0) throw new KvalError('device-missing', `${about}: this machine has no CUDA device`);
        return numbered(executorsPerGpu, (number) =>
          devices.map((device) => newSeat(`worker ${number} of ${device.kind}:${device.index}`, lane, device)),
        ).flat();
    }
  }

  async function ask<P, R>(method: Method<P, R>, question: Question<P>): Promise<Answer<R>> {
    const { about, signal } = question;
    const queue = await queueOf(question);
    return queue.enter(signal, about, async (seat) => {
      let deaths = 0;
      for (const pauses = [...retryDelaysMs]; ; ) {
        try {
          return await askOnce(seat, method, question);
        } catch (thrown) {
          throwIfAborted(signal, about);
          const error = named(about, thrown);
          if (error.code === 'worker-died') {
            deaths += 1;
            if (deaths === 2) throw error;
          } else {
            const pause = error.retry ? pauses.shift() : undefined;
            // A lost device stays lost to the process that lost it.
            const lost = thrown instanceof InstrumentFailure && thrown.instrument.code === 'device-lost';
            if (lost) await seat.worker?.close();
            if (lost && pause === undefined && queue.remove(seat)) {
              options.onNotice?.(`the ${seat.name} is taken out, the others go on: ${error.message}`);
              return elsewhere;
            }
            if (pause === undefined) throw error;
            await wait(pause, signal, about);
          }
        }
      }
    });
  }

  async function askOnce<P, R>(seat: Seat, method: Method<P, R>, question: Question<P>): Promise<Answer<R>> {
    const { about, params, on: _on, ...callOptions } = question;
    throwIfAborted(closing.signal, about);
    const worker = await sitDown(seat);
    return inScratchFolder(async (folder) => {
      const begin = performance.now();
      const device = seat.lane === 'cpu' ? (worker.hello.devices[0] ?? null) : seat.device;
      const result = await worker.call(method, params({ folder, device }), callOptions);
      return { result, hello: worker.hello, device, durationMs: performance.now() - begin };
    });
  }

  async function sitDown(seat: Seat): Promise<WorkerProcess> {
    if (seat.worker?.alive === true) return seat.worker;
    seat.worker = null;
    const [program, ...rest] = options.command;
    seat.worker = await startWorker({
      command: [program, ...rest, ...(seat.lane === 'cpu' ? (options.cpu?.arguments ?? []) : [])],
      environment: options.environment,
      logFolder: options.logFolder,
      name: seat.name,
      signal: closing.signal,
      ...limits,
    });
    const { lacking } = seat.worker.hello.sandbox;
    if (options.sandbox === 'required' && typeof lacking === 'string') {
      await seat.worker.close();
      throw new KvalError('sandbox-missing', `the sandbox is required, and this machine lacks ${lacking}`);
    }
    known[seat.lane] ??= seat.worker.hello;
    return seat.worker;
  }

  async function end(): Promise<void> {
    closing.abort();
    await Promise.all(seats.map(async (seat) => seat.worker?.close()));
  }

  /** Gives each piece of work a seat of its own, in turn; who is told to stop while waiting leaves the queue. */
  function openQueue(own: readonly Seat[]): Queue {
    const limit = pLimit(own.length);
    const free = [...own].reverse();
    const removed = new Set<Seat>();

    const enter: Queue['enter'] = async (signal, about, work) => {
      throwIfAborted(signal, about);
      throwIfAborted(closing.signal, about);
      const done = await leavable(signal, about, (begin) =>
        limit(async () => {
          throwIfAborted(signal, about);
          throwIfAborted(closing.signal, about);
          const seat = free.pop();
          if (seat === undefined) throw new KvalError('internal', 'more work than workers was let in');
          begin();
          try {
            return await work(seat);
          } finally {
            if (!removed.has(seat)) free.push(seat);
          }
        }),
      );
      return done === elsewhere ? enter(signal, about, work) : done;
    };

    return {
      enter,
      remove: (seat) => {
        if (removed.size + 1 === own.length) return false;
        removed.add(seat);
        limit.concurrency = own.length - removed.size;
        return true;
      },
    };
  }

  return { builders, executorsPerGpu, hello, ask, close: () => (closed ??= end()) };
}

function numbered<T>(count: number, make: (number: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index + 1));
}

function named(about: string, thrown: unknown): KvalError {
  if (thrown instanceof InstrumentFailure) return instrumentError(thrown.instrument, about);
  const error = toKvalError(thrown);
  if (error.code === 'interrupted') return error;
  const { code, message, fix, retry } = error;
  return new KvalError(code, `${about}: ${message}`, { cause: thrown, fix, retry });
}

import pLimit from 'p-limit';
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
  /** How many workers build at once. Beside them there is one worker for each device. */
  readonly builders: number;
  /** Pauses before an instrument's failure is tried again: as many more tries as there are pauses. */
  readonly retryDelaysMs?: readonly number[];
  readonly limits?: Pick<WorkerOptions, 'helloTimeoutMs' | 'cancelGraceMs' | 'maxLineBytes'>;
}

/** Where a question is answered: an empty folder of its own, and a device where it needs one. */
export interface Place {
  readonly folder: string;
  readonly device: Device | null;
}

export interface Question<Params> {
  /** Named in messages: the candidate or the problem in question. */
  readonly about: string;
  /** `build`: any build worker. `device`: the worker of a device that is free, one question at a time on each. */
  readonly on: 'build' | 'device';
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
  /** What the workers say they are; starts the first one where none runs yet. */
  hello(signal?: AbortSignal): Promise<Hello>;
  /**
   * Asks a question in its turn. A worker that dies is replaced and the question asked once more; a failure that the
   * worker calls passing is tried again after a pause. Then throws a `KvalError` that names what the question was about.
   */
  ask<P, R>(method: Method<P, R>, question: Question<P>): Promise<Answer<R>>;
  close(): Promise<void>;
}

/** A seat for one worker; `worker` is null until somebody sits down, and again after a death. */
interface Seat {
  readonly name: string;
  readonly device: Device | null;
  worker: WorkerProcess | null;
}

type Lane = <T>(signal: AbortSignal | undefined, about: string, work: (seat: Seat) => Promise<T>) => Promise<T>;

export function openPool(options: PoolOptions): WorkerPool {
  const { builders, retryDelaysMs = [1_000, 5_000], limits = {} } = options;
  const closing = new AbortController();
  const seats: Seat[] = [];
  const buildLane = openLane(
    Array.from({ length: builders }, (_, index) => newSeat(`build worker ${index + 1}`, null)),
  );
  let deviceLane: Lane | undefined;
  let known: Hello | undefined;
  let closed: Promise<void> | undefined;
  pruneWorkerLogs(options.logFolder);
  sweepScratchFolders();

  function newSeat(name: string, device: Device | null): Seat {
    const seat = { name, device, worker: null };
    seats.push(seat);
    return seat;
  }

  async function hello(signal?: AbortSignal): Promise<Hello> {
    return known ?? buildLane(signal, 'starting a worker', async (seat) => (await sitDown(seat)).hello);
  }

  async function laneOf({ on, about, signal }: Pick<Question<unknown>, 'on' | 'about' | 'signal'>): Promise<Lane> {
    if (on === 'build') return buildLane;
    const { devices } = await hello(signal);
    if (devices.length === 0) throw new KvalError('device-missing', `${about}: this machine has no CUDA device`);
    deviceLane ??= openLane(devices.map((device) => newSeat(`worker of ${device.kind}:${device.index}`, device)));
    return deviceLane;
  }

  async function ask<P, R>(method: Method<P, R>, question: Question<P>): Promise<Answer<R>> {
    const { about, signal } = question;
    const lane = await laneOf(question);
    return lane(signal, about, async (seat) => {
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
            if (pause === undefined) throw error;
            // A lost device stays lost to the process that lost it.
            if (thrown instanceof InstrumentFailure && thrown.instrument.code === 'device-lost')
              await seat.worker?.close();
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
      const result = await worker.call(method, params({ folder, device: seat.device }), callOptions);
      return { result, hello: worker.hello, device: seat.device, durationMs: performance.now() - begin };
    });
  }

  async function sitDown(seat: Seat): Promise<WorkerProcess> {
    if (seat.worker?.alive === true) return seat.worker;
    seat.worker = null;
    seat.worker = await startWorker({
      command: options.command,
      environment: options.environment,
      logFolder: options.logFolder,
      name: seat.name,
      signal: closing.signal,
      ...limits,
    });
    known ??= seat.worker.hello;
    return seat.worker;
  }

  async function end(): Promise<void> {
    closing.abort();
    await Promise.all(seats.map(async (seat) => seat.worker?.close()));
  }

  /** Gives each piece of work a seat of its own, in turn; who is told to stop while waiting leaves the queue. */
  function openLane(own: readonly Seat[]): Lane {
    const limit = pLimit(own.length);
    const free = [...own].reverse();
    return async (signal, about, work) => {
      throwIfAborted(signal, about);
      throwIfAborted(closing.signal, about);
      return leavable(signal, about, (begin) =>
        limit(async () => {
          throwIfAborted(signal, about);
          throwIfAborted(closing.signal, about);
          const seat = free.pop();
          if (seat === undefined) throw new KvalError('internal', 'more work than workers was let in');
          begin();
          try {
            return await work(seat);
          } finally {
            free.push(seat);
          }
        }),
      );
    };
  }

  return { builders, hello, ask, close: () => (closed ??= end()) };
}

function named(about: string, thrown: unknown): KvalError {
  if (thrown instanceof InstrumentFailure) return instrumentError(thrown.instrument, about);
  const error = toKvalError(thrown);
  if (error.code === 'interrupted') return error;
  const { code, message, fix, retry } = error;
  return new KvalError(code, `${about}: ${message}`, { cause: thrown, fix, retry });
}

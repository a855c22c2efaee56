import { type Job, jobKey, type Settings } from '../candidate.js';
import { KvalError } from '../errors.js';
import type { Problem } from '../problem.js';
import { aboutJob } from '../validator/real.js';
import type { Validator } from '../validator/validator.js';
import type { Measured } from '../verdict.js';
import { throwIfAborted } from '../worker/interrupt.js';
import type { Progress } from '../worker/protocol.js';
import { queueAddress } from './connection.js';
import { type Line, type LineOptions, openLine } from './line.js';
import { describeOrder, judgeOrder, type Lane, readShapes, readVerdict, type Shapes } from './message.js';

export interface QueuedOptions extends Omit<LineOptions, 'address'> {
  /** The version of this kval; a worker of another one is refused. */
  readonly kval: string;
  readonly onProgress?: (job: Job, progress: Progress) => void;
  /** `redis://[user:password@]host[:port][/database]`; shown nowhere with its password. */
  readonly url: string;
}

export interface QueuedValidator extends Validator<Measured> {
  /** How many jobs to have in the queues at once: more than any fleet of workers takes. */
  concurrency(device: Settings['device'], signal?: AbortSignal): Promise<number>;
  /** A problem's shapes, as the harness of any worker sees them. */
  describe(problem: Problem, signal?: AbortSignal): Promise<Shapes>;
  /** Throws `endpoint-failed` where Redis does not answer, or no worker builds. */
  reach(): Promise<void>;
}

const inFlight = 256;

/**
 * The harness of other boxes as a validator: builds go to any worker, executions to one that has the device, and only
 * what was built is executed. Nothing is connected before the first job. While Redis is away, or no worker is there,
 * jobs wait; `signal` ends that. Throws `KvalError`: `endpoint-failed` where Redis never answered, `worker-protocol` for
 * a worker of another version, `worker-died` for a job that no worker survives, else what the last worker said.
 */
export function createQueuedValidator({ url, kval, onProgress, ...options }: QueuedOptions): QueuedValidator {
  const address = queueAddress(url);
  const lines = new Map<Lane, Line>();
  let closed = false;

  function line(lane: Lane): Line {
    const open = lines.get(lane) ?? openLine(lane, { ...options, address });
    lines.set(lane, open);
    return open;
  }

  async function judge(lane: Lane, job: Job, signal: AbortSignal | undefined): Promise<Measured> {
    const order = judgeOrder(job, kval);
    return readVerdict(await line(lane).ask(order, signal, (progress) => onProgress?.(job, progress)), job, kval);
  }

  return {
    name: `queued(${address.words})`,
    concurrency: async () => inFlight,
    async validate(job, { signal } = {}) {
      if (closed) throw new KvalError('usage', 'this validator is closed');
      throwIfAborted(signal, aboutJob(job));
      const { device } = job.settings;
      const built = await judge('none', buildOf(job), signal);
      if (device === 'none' || built.outcome.status !== 'built') return { ...built, jobKey: jobKey(job) };
      const executed = await judge(device, job, signal);
      return joined(built, executed);
    },
    async describe(problem, signal) {
      if (closed) throw new KvalError('usage', 'this validator is closed');
      return readShapes(await line('none').ask(describeOrder(problem, kval), signal), kval);
    },
    reach: () => line('none').reach(),
    async close() {
      closed = true;
      await Promise.all([...lines.values()].map((open) => open.close()));
    },
  };
}

function buildOf(job: Job): Job {
  return { ...job, settings: { ...job.settings, device: 'none' } };
}

/** The first build is the one that took the time; the box that executes has it from its cache, or builds again. */
function joined(built: Measured, executed: Measured): Measured {
  if (executed.execution === null) return executed;
  const { startedAt, durationMs } = built.provenance;
  return {
    ...executed,
    build: built.build,
    provenance: { ...executed.provenance, startedAt, durationMs: durationMs + executed.provenance.durationMs },
  };
}

import { z } from 'zod';
import { candidateSchema, type Job, jobKey, type Settings, settingsSchema } from '../candidate.js';
import { type ErrorCode, errorTable, KvalError } from '../errors.js';
import { type Problem, problemSchema, sha256 } from '../problem.js';
import { aboutJob } from '../validator/real.js';
import { type Measured, measuredSchema } from '../verdict.js';

/** What goes through Redis between a client and a worker. Raised with every change that the other side must know of. */
export const queueProtocol = 2;

/** A queue for each kind of device: `none` builds on any box; `cpu` and `cuda` execute where there is one. */
export type Lane = Settings['device'];

const senderSchema = z.object({ protocol: z.int(), kval: z.string() });
const jobSchema = z.object({ problem: problemSchema, candidate: candidateSchema, settings: settingsSchema });

export interface Packed {
  readonly protocol: number;
  readonly kval: string;
  readonly [content: string]: unknown;
}

/** What a worker is asked: a verdict, or what the harness says of a problem's shapes. */
export const orderKinds = ['judge', 'describe'] as const;

export interface Order {
  readonly kind: (typeof orderKinds)[number];
  /** Names it in its queue by all that decides what a worker does: who asks for the same gets the same. */
  readonly id: string;
  readonly data: Packed;
  /** Named in messages. */
  readonly about: string;
}

export function judgeOrder(job: Job, kval: string): Order {
  return { kind: 'judge', id: messageId(job, kval), data: packJob(job, kval), about: aboutJob(job) };
}

export function describeOrder(problem: Problem, kval: string): Order {
  const id = sha256('describe', String(queueProtocol), kval, problem.sourceHash);
  return { kind: 'describe', id, data: { protocol: queueProtocol, kval, problem }, about: problem.id };
}

function messageId(job: Job, kval: string): string {
  const { device, buildPath, buildTimeoutMs, trials, timingTrials, executeTimeoutMs } = job.settings;
  const build = { buildPath, buildTimeoutMs };
  const settings = device === 'none' ? build : { ...build, trials, timingTrials, executeTimeoutMs };
  return sha256('queue', String(queueProtocol), kval, jobKey(job), JSON.stringify(settings));
}

export function packJob({ problem, candidate, settings }: Job, kval: string): Packed & { readonly job: Job } {
  return { protocol: queueProtocol, kval, job: { problem, candidate, settings } };
}

/** Throws a `KvalError` that says what is wrong: `worker-protocol` where another version sent it. */
export function readJob(data: unknown, kval: string): Job {
  checkSender(data, { kval, here: 'this worker', there: 'the client' });
  const parsed = z.object({ job: jobSchema }).safeParse(data);
  if (parsed.success) return parsed.data.job;
  throw new KvalError('bad-input', `the queue holds something that is no job: ${z.prettifyError(parsed.error)}`);
}

/** As `readJob`. */
export function readProblem(data: unknown, kval: string): Problem {
  checkSender(data, { kval, here: 'this worker', there: 'the client' });
  const parsed = z.object({ problem: problemSchema }).safeParse(data);
  if (parsed.success) return parsed.data.problem;
  throw new KvalError('bad-input', `the queue holds something that is no problem: ${z.prettifyError(parsed.error)}`);
}

/** What decides whose labels may stand beside each other: a problem's shapes, at its full and its small size. */
const shapesSchema = z.object({ shapeHash: z.string().nullable(), smallShapeHash: z.string().nullable() });
export type Shapes = z.infer<typeof shapesSchema>;

export function packShapes({ shapeHash, smallShapeHash }: Shapes, kval: string): Packed {
  return { protocol: queueProtocol, kval, shapes: { shapeHash, smallShapeHash } };
}

export function readShapes(data: unknown, kval: string): Shapes {
  checkSender(data, { kval, here: 'this client', there: 'the worker' });
  const parsed = z.object({ shapes: shapesSchema }).safeParse(data);
  if (parsed.success) return parsed.data.shapes;
  throw breach(`a worker's answer has no shapes: ${z.prettifyError(parsed.error)}`);
}

export function packVerdict(verdict: Measured, kval: string): Packed & { readonly verdict: Measured } {
  return { protocol: queueProtocol, kval, verdict };
}

/** The verdict of this very job; anything else is a `worker-protocol`. */
export function readVerdict(data: unknown, job: Job, kval: string): Measured {
  checkSender(data, { kval, here: 'this client', there: 'the worker' });
  const parsed = z.object({ verdict: measuredSchema }).safeParse(data);
  if (!parsed.success) throw breach(`a worker's answer is no verdict: ${z.prettifyError(parsed.error)}`);
  if (parsed.data.verdict.jobKey !== jobKey(job)) throw breach('a worker answered for another job');
  return parsed.data.verdict;
}

const failureSchema = z.object({ code: z.string(), message: z.string(), fix: z.string() });

export function packFailure({ code, message, fix }: KvalError): string {
  return JSON.stringify({ code, message, fix });
}

/** Why a job failed for good. Its tries are over, so none of these is to be tried again at once. */
export function readFailure(text: string, about: string): KvalError {
  const parsed = failureSchema.safeParse(jsonOf(text));
  if (parsed.success && isErrorCode(parsed.data.code)) {
    return new KvalError(parsed.data.code, parsed.data.message, { fix: parsed.data.fix });
  }
  if (/stalled more than/.test(text)) {
    return new KvalError('worker-died', `${about}: every worker that took it died, ${stallsBorne + 1} of them`, {
      fix: 'Look at the logs of the workers: this job ends them. Memory of the box and limits of the container come first.',
    });
  }
  return new KvalError('instrument', `${about}: the queue says "${text}"`);
}

/** How many deaths of its worker a job survives: it has one try more. */
export const stallsBorne = 2;

function checkSender(data: unknown, { kval, here, there }: { kval: string; here: string; there: string }): void {
  const sender = senderSchema.safeParse(data);
  if (!sender.success) throw breach('the queue holds something that kval did not put there');
  const { protocol, kval: version } = sender.data;
  if (protocol === queueProtocol && version === kval) return;
  throw breach(
    `${there} is kval ${version} with queue protocol ${protocol}, and ${here} is kval ${kval} with protocol ${queueProtocol}`,
  );
}

function breach(message: string): KvalError {
  return new KvalError('worker-protocol', message, {
    fix: 'Give every box and every client the same version of kval.',
  });
}

function isErrorCode(code: string): code is ErrorCode {
  return code in errorTable;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

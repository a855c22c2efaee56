import { LRUCache } from 'lru-cache';
import { type Candidate, type Job, jobKey, makeCandidate, type Settings, settingsSchema } from '../candidate.js';
import { KvalError, toKvalError } from '../errors.js';
import { extractCode } from '../generate/extract-code.js';
import type { Kval, Mode } from '../kval.js';
import { selectProblems } from '../labels/select.js';
import { makeProblem, type Problem, parseProblemId, problemId, sha256 } from '../problem.js';
import type { Verdict } from '../verdict.js';
import { type Facts, factsOf, infraFacts, noKernelFacts } from './facts.js';
import { feedbackOf } from './feedback.js';
import { type Flights, openFlights } from './flights.js';
import type { Modes, Present } from './modes.js';
import type { JudgeRequest, Reply } from './request.js';
import { type RewardName, rewardOf } from './rewards.js';

export interface JudgeCall {
  /** Aborted when the caller is gone. A kernel for which nobody waits any more is not judged to its end. */
  readonly signal?: AbortSignal;
  /**
   * When the caller gives up. A simulator at hand then answers in the harness's place, and says so; without one this is
   * the error `deadline`. The verdict is still made, and found by whoever asks again.
   */
  readonly deadlineMs?: number;
  /** The caller asks no more: where the queue is full, a simulator at hand answers as it does at the deadline. */
  readonly lastTry?: boolean;
}

/** What every entrance of the service calls: one kernel in, one flat reply out. */
export interface Judge {
  /**
   * Anything wrong with a kernel, or with the answer that should hold one, is a reply. It throws a `KvalError` where the
   * request is not as it must be (`bad-input`, `not-found`), who is to judge is not there yet (`starting`), the queue is
   * full (`busy`), the time is up (`deadline`) or the instrument failed.
   */
  judge(request: JudgeRequest, call?: JudgeCall): Promise<Reply>;
  /** The reply with all its keys for callers that cannot bear an error. */
  infraReply(thrown: unknown, request?: Partial<JudgeRequest>): Reply;
  readonly modes: Modes;
  /** What holds where a request names no other. */
  readonly reward: RewardName;
  settings(): Settings;
  /** How many kernels are being judged or wait for it, each once however many callers wait. */
  pending(): number;
}

export interface JudgeOptions {
  readonly kval: Kval;
  readonly modes: Modes;
  /** What a request's own settings are put into; a function where they change with the mode. */
  readonly settings: Settings | (() => Settings);
  readonly reward: RewardName;
  /** How many different kernels may be pending; one more is `busy`. */
  readonly queueLimit: number;
  /** How many verdicts are remembered in memory. */
  readonly remember?: number;
  /** Told of every reply, for metrics and the page. `verdict` is null where there was no kernel, or it was remembered. */
  readonly onReply?: (reply: Reply, verdict: Verdict | null) => void;
}

/** A verdict as it is remembered: its flat part, its words, and the rest without compiler logs. */
interface Judged {
  readonly facts: Facts;
  readonly feedback: string;
  readonly validator: string;
  readonly verdict: Verdict;
}

/** What a simulator has to answer in the harness's place. */
const standInMs = 2_000;

interface About {
  readonly problem: string;
  /** Of the validator that judged, whatever the mode has become meanwhile. */
  readonly mode: Mode;
  readonly startedAt: number;
  readonly cached: boolean;
}

export async function openJudge(options: JudgeOptions): Promise<Judge> {
  const { kval, modes, reward: ownReward, queueLimit, remember = 20_000 } = options;
  const ownSettings = (): Settings => (typeof options.settings === 'function' ? options.settings() : options.settings);
  const store = await kval.store();
  const remembered = new LRUCache<string, Judged>({ max: remember });
  const flights: Flights<Judged> = openFlights(queueLimit);
  const problems = store.problems();
  const bySource = new Map(problems.map((problem) => [problem.sourceHash, problem]));
  const byId = new Map(problems.map((problem) => [problem.id, problem]));

  const problemOf = ({ problem_id: id, reference }: JudgeRequest): Problem => {
    if (reference !== undefined)
      return bySource.get(makeProblem(inline(reference)).sourceHash) ?? inlineProblem(reference);
    const { set, level, number } = parseProblemId(id ?? '');
    const named = problemId(set, level, number);
    const problem = byId.get(named) ?? selectProblems(store, named)[0];
    if (problem === undefined) throw new Error('selectProblems gives at least one problem');
    return problem;
  };

  const judge = async (present: Present, job: Job, step: number | undefined, signal: AbortSignal): Promise<Judged> => {
    const problem =
      present.mode === 'simulated' ? job.problem : await kval.shaped(job.problem, job.settings.small, signal);
    const verdict = await present.validator.validate(
      { ...job, problem },
      { signal, ...(step === undefined ? {} : { step }) },
    );
    if (verdict.kind === 'measured') store.append(withoutDecision(verdict), { ...job, problem });
    const judged = judgedOf(verdict, present.validator.name);
    remembered.set(`${verdict.kind === 'measured' ? 'measured' : present.id}:${recallKey(job)}`, judged);
    return judged;
  };

  /** What was measured once is the answer wherever measuring counts; a prediction only where nothing else is wanted. */
  const recall = (present: Present, job: Job): Judged | null => {
    const key = recallKey(job);
    if (present.mode === 'simulated') return remembered.get(`${present.id}:${key}`) ?? null;
    const known = remembered.get(`measured:${key}`);
    if (known !== undefined) return known;
    const label = store.find(jobKey(job));
    if (label === null) return null;
    const judged = judgedOf(label.measured, 'real');
    remembered.set(`measured:${key}`, judged);
    return judged;
  };

  const replyOf = (
    judged: Omit<Judged, 'verdict'> & { readonly verdict: Verdict | null },
    request: Partial<JudgeRequest>,
    about: About,
  ): Reply => {
    const name = request.reward ?? ownReward;
    const reply: Reply = {
      ...rewardOf(name, judged.facts),
      ...judged.facts,
      cached: about.cached ? 1 : 0,
      duration_ms: performance.now() - about.startedAt,
      feedback: judged.feedback,
      reward_name: name,
      validator: judged.validator,
      mode: about.mode,
      problem_id: about.problem,
      ...(request.details === true && judged.verdict !== null
        ? { details: JSON.parse(JSON.stringify(judged.verdict)) }
        : {}),
    };
    options.onReply?.(reply, about.cached ? null : judged.verdict);
    return reply;
  };

  return {
    modes,
    reward: ownReward,
    settings: ownSettings,
    pending: () => flights.size(),
    async judge(request, call = {}) {
      const startedAt = performance.now();
      const problem = problemOf(request);
      const present = modes.present();
      const about: About = { problem: problem.id, mode: present.mode, startedAt, cached: false };
      const candidate = candidateOf(request, problem);
      if (typeof candidate === 'string') return replyOf(noKernel(candidate), request, about);
      const missing = modes.missing();
      if (missing !== null) throw new KvalError('starting', `not ready: ${missing}`, { retry: true });
      const given = Object.entries(request.settings ?? {}).filter(([, value]) => value !== undefined);
      const settings = settingsSchema.parse({ ...ownSettings(), ...Object.fromEntries(given) });
      const job: Job = { problem, candidate, settings };
      const known = request.no_cache === true ? null : recall(present, job);
      if (known !== null) return replyOf(known, request, { ...about, cached: true });
      const key = `${present.id}:${recallKey(job)}:${request.no_cache === true ? startedAt : ''}`;
      const begin = (signal: AbortSignal): Promise<Judged> =>
        modes.lend((lent) => judge(lent, job, request.step, signal));
      try {
        return replyOf(await flights.join(key, begin, call), request, about);
      } catch (thrown) {
        const error = toKvalError(thrown);
        // Only the harness has somebody who can answer in its place, and who must not be waited for in turn.
        const isLate = error.code === 'deadline' || (error.code === 'busy' && call.lastTry === true);
        if (!isLate || present.mode !== 'hybrid' || present.simulated === null) throw error;
        const soon = AbortSignal.any([
          AbortSignal.timeout(standInMs),
          ...(call.signal === undefined ? [] : [call.signal]),
        ]);
        const verdict = await present.simulated.validate(job, { signal: soon }).catch(() => {
          throw error;
        });
        const judged = judgedOf(verdict, present.simulated.name);
        const facts = { ...judged.facts, reason: 'the harness was not done in time' };
        return replyOf({ ...judged, facts }, request, about);
      }
    },
    infraReply(thrown, request = {}) {
      const error = toKvalError(thrown);
      const facts = infraFacts();
      const feedback = `not judged (${error.code}): ${error.message}`;
      const { mode } = modes.present();
      const about = { problem: request.problem_id ?? '', mode, startedAt: performance.now(), cached: false };
      return replyOf({ facts, feedback, validator: '', verdict: null }, request, about);
    },
  };
}

/** The candidate, or what is wrong with an answer that holds none: the agent's doing, so it is a verdict. */
function candidateOf({ kernel, response, language }: JudgeRequest, problem: Problem): Candidate | string {
  const source = kernel ?? extractCode(response ?? '', null);
  if (source === null) return 'there is no code in the answer; give the whole Python file in one ```python block';
  if (language === 'python' && !/\bModelNew\b/.test(source)) {
    return 'the code defines no class ModelNew; give a Python file with `class ModelNew(nn.Module)`';
  }
  try {
    return makeCandidate({ source, language, problemId: problem.id, origin: { generator: 'service' } });
  } catch (thrown) {
    return toKvalError(thrown).message;
  }
}

function noKernel(message: string): Omit<Judged, 'verdict'> & { readonly verdict: null } {
  return { facts: noKernelFacts(), feedback: `invalid: ${message}`, validator: '', verdict: null };
}

function judgedOf(verdict: Verdict, validator: string): Judged {
  const facts = factsOf(verdict);
  return { facts, feedback: feedbackOf(verdict, facts), validator, verdict: withoutLogs(verdict) };
}

/** How often was tried and timed is part of the question to a service, though not of a label's key. */
function recallKey(job: Job): string {
  return sha256(jobKey(job), String(job.settings.trials), String(job.settings.timingTrials));
}

function withoutDecision<V extends Verdict>({ decision: _decision, ...verdict }: V): Omit<V, 'decision'> {
  return verdict;
}

function withoutLogs(verdict: Verdict): Verdict {
  if (verdict.kind === 'predicted' || verdict.build === null) return verdict;
  const extensions = verdict.build.extensions.map((extension) => ({ ...extension, steps: [] }));
  return { ...verdict, build: { ...verdict.build, extensions } };
}

function inline(source: string): Parameters<typeof makeProblem>[0] {
  return { set: 'inline', level: 0, number: 0, name: 'inline', source };
}

/** A reference that came with its request: its id is made of its text. */
function inlineProblem(source: string): Problem {
  const { sourceHash } = makeProblem(inline(source));
  return makeProblem({ ...inline(source), number: Number.parseInt(sourceHash.slice(0, 12), 16) });
}

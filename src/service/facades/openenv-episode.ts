import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Kval } from '../../kval.js';
import { selectProblems } from '../../labels/select.js';
import type { Problem } from '../../problem.js';
import type { Judge } from '../judge.js';
import { judgeRequestSchema, type Reply } from '../request.js';
import { rewardNameSchema } from '../rewards.js';
import { judgeInTime } from './patience.js';

const maxTurns = 10;
/** Its client gives up after 60 s. */
const patienceMs = 55_000;

export const resetSchema = z.looseObject({
  seed: z.int().nullish(),
  episode_id: z.string().nullish(),
  problem_id: z.string().nullish().describe('A problem of the service; without it the seed chooses one.'),
});
export const actionSchema = z.looseObject({
  code: z.string().describe('The kernel, or the whole answer of an agent.'),
});
export const observationSchema = z.object({
  problem_id: z.string(),
  problem_description: z.string(),
  reference_code: z.string(),
  gpu_info: z.string(),
  turn: z.int(),
  max_turns: z.int(),
  feedback: z.string(),
  compilation_success: z.boolean(),
  compilation_error: z.string().nullable(),
  correctness_pass: z.boolean(),
  max_diff: z.number().nullable(),
  speedup: z.number().nullable(),
  facts: z.record(z.string(), z.union([z.string(), z.number()])).describe('The flat reply of kval.'),
});
export const stateSchema = z.object({
  episode_id: z.string().nullable(),
  step_count: z.int(),
  problem_id: z.string().nullable(),
  solved: z.boolean(),
});

export interface Observed {
  readonly observation: z.infer<typeof observationSchema>;
  readonly reward: number | null;
  readonly done: boolean;
}

export interface Episode {
  reset(data: z.infer<typeof resetSchema>): Promise<Observed>;
  /** Judges a kernel; throws where the instrument failed, and the turn is not counted then. */
  step(data: z.infer<typeof actionSchema>, signal: AbortSignal): Promise<Observed>;
  state(): z.infer<typeof stateSchema>;
}

/** One agent at one problem, with the fields of OpenEnv's kernrl: ten turns, fewer where a kernel beats the reference. */
export function openEpisode(kval: Kval, judge: Judge, deadlineMs = patienceMs): Episode {
  let problem: Problem | null = null;
  let episodeId: string | null = null;
  let turn = 0;
  let solved = false;

  const observe = (at: Problem, reply: Reply | null): Observed => {
    const { feedback = 'Write a CUDA kernel for this problem.', details: _details, ...facts } = reply ?? {};
    const observation = {
      problem_id: at.id,
      problem_description: at.name,
      reference_code: at.source,
      gpu_info: judge.settings().device,
      turn,
      max_turns: maxTurns,
      feedback,
      compilation_success: reply?.compiled === 1,
      compilation_error: reply?.status === 'compile-error' ? feedback : null,
      correctness_pass: reply?.correct === 1,
      max_diff: null,
      speedup: reply?.timed === 1 ? reply.speedup : null,
      facts,
    };
    return { observation, reward: reply?.reward ?? 0, done: turn >= maxTurns || solved };
  };

  const reset: Episode['reset'] = async ({ seed, episode_id, problem_id }) => {
    const store = await kval.store();
    const problems = problem_id == null ? store.problems() : selectProblems(store, problem_id);
    problem = problems[(seed ?? 0) % problems.length] ?? null;
    if (problem === null) throw new Error('the service has no problems');
    episodeId = episode_id ?? randomUUID();
    turn = 0;
    solved = false;
    return observe(problem, null);
  };

  return {
    reset,
    async step({ code, problem_id, reward }, signal) {
      if (problem === null) await reset(resetSchema.parse({ problem_id }));
      if (problem === null) throw new Error('reset chooses a problem');
      const at = problem;
      const request = judgeRequestSchema.parse({
        ...(code.includes('```') ? { response: code } : { kernel: code }),
        problem_id: at.id,
        reward: rewardNameSchema.optional().parse(reward) ?? 'kernrl',
      });
      const reply = await judgeInTime(judge, request, { signal, deadlineMs });
      turn += 1;
      solved = reply.correct === 1 && reply.timed === 1 && reply.speedup > 1.05;
      return observe(at, reply);
    },
    state: () => ({ episode_id: episodeId, step_count: turn, problem_id: problem?.id ?? null, solved }),
  };
}

import { z } from 'zod';
import { settingsSchema } from '../candidate.js';
import { factsSchema } from './facts.js';
import { rewardNameSchema } from './rewards.js';

/** The settings that a client may change, each optional: what it leaves out is the service's own. */
const settingsPartSchema = z.strictObject({
  device: z.enum(['cuda', 'cpu', 'none']).optional(),
  arch: z
    .string()
    .regex(/^sm_\d{2,3}[af]?$/)
    .optional(),
  small: z.boolean().optional(),
  precision: settingsSchema.shape.precision.unwrap().optional(),
  trials: z.int().min(1).max(100).optional(),
  timingTrials: z.int().min(0).max(10_000).optional(),
  compat: settingsSchema.shape.compat.unwrap().optional(),
});

const fields = {
  kernel: z.string().optional().describe('Source of the candidate: a Python file with ModelNew, or a .cu file.'),
  response: z.string().optional().describe("An agent's whole answer, from which the kernel is taken."),
  problem_id: z.string().optional().describe('level1/19, starter/level2/3, or 1_19.'),
  reference: z.string().optional().describe('Python source of the reference: Model, get_inputs and get_init_inputs.'),
  language: z.enum(['python', 'cuda']).default('python'),
  reward: rewardNameSchema.optional().describe("The reward that is wanted; the service's own without it."),
  step: z.int().nonnegative().optional().describe("The training step, for a hybrid's schedule."),
  no_cache: z.boolean().default(false).describe('Judge again, whatever is known.'),
  details: z.boolean().default(false).describe('The whole verdict too, without compiler logs.'),
  settings: settingsPartSchema.optional(),
};

/** One kernel to judge. */
export const judgeRequestSchema = z
  .strictObject(fields)
  .refine(
    ({ kernel, response }) => (kernel === undefined) !== (response === undefined),
    'give either kernel or response',
  )
  .refine(
    ({ problem_id, reference }) => (problem_id === undefined) !== (reference === undefined),
    'give either problem_id or reference',
  );
export type JudgeRequest = z.infer<typeof judgeRequestSchema>;
/** As a client writes it. */
export type JudgeInput = z.input<typeof judgeRequestSchema>;

/** What is answered: reward and facts, flat; in words; and who said so. */
export const replySchema = z.object({
  reward: z.number(),
  score: z.number().min(0).max(1).describe('The reward, brought into [0, 1].'),
  ...factsSchema.shape,
  cached: z.literal([0, 1]),
  duration_ms: z.number().nonnegative(),
  feedback: z.string().describe('The verdict within the first 200 characters, then the evidence.'),
  reward_name: rewardNameSchema,
  validator: z.string(),
  mode: z.enum(['real', 'simulated', 'hybrid']),
  problem_id: z.string(),
  details: z.json().optional(),
});
export type Reply = z.infer<typeof replySchema>;

export const errorSchema = z.object({
  error: z.object({ code: z.string(), message: z.string(), fix: z.string(), retry: z.boolean() }),
});
export type ErrorReply = z.infer<typeof errorSchema>;

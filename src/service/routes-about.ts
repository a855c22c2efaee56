import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Parts } from './app.js';
import type { Judge } from './judge.js';
import { modeChoiceSchema, modeNameSchema } from './kept-mode.js';
import { choosers } from './modes.js';
import { errorSchema } from './request.js';
import { rewardNameSchema, rewardPresets } from './rewards.js';

const modeSchema = z.object({
  mode: modeNameSchema,
  chosen_by: z
    .enum(choosers)
    .describe('Whose word the mode is. A request outlives restarts (kept) until the command line names a mode.'),
  validator: z.string(),
  reward: rewardNameSchema,
  settings: z.json().describe('What holds where a request names nothing else.'),
  hybrid: z.json().describe('What a hybrid has done so far; null in the other modes.'),
});

/** What the service judges, and how; and another mode for it. */
export const aboutRoutes: FastifyPluginAsyncZod<Parts> = async (app, { kval, judge }) => {
  const store = await kval.store();
  app.get(
    '/v1/problems',
    {
      schema: {
        summary: 'The problems that a request can name',
        querystring: z.object({ set: z.string().optional(), level: z.coerce.number().int().optional() }),
        response: { 200: z.object({ problems: z.array(problemSchema) }), default: errorSchema },
      },
    },
    async ({ query: { set, level } }) => ({
      problems: store
        .problems({ ...(set === undefined ? {} : { set }), ...(level === undefined ? {} : { level }) })
        .map((problem) => ({
          id: problem.id,
          set: problem.set,
          level: problem.level,
          number: problem.number,
          name: problem.name,
          has_small: problem.hasSmall,
        })),
    }),
  );

  app.get(
    '/v1/rewards',
    {
      schema: {
        summary: 'The named rewards, and the one that holds where a request names none',
        response: {
          200: z.object({
            default: rewardNameSchema,
            rewards: z.array(z.object({ name: rewardNameSchema, from: z.string() })),
          }),
        },
      },
    },
    async () => ({ default: judge.reward, rewards: [...rewardPresets] }),
  );

  app.get(
    '/v1/mode',
    { schema: { summary: 'Who judges at present', response: { 200: modeSchema, default: errorSchema } } },
    async () => modeOf(judge),
  );

  app.put(
    '/v1/mode',
    {
      schema: {
        summary: 'Another mode from now on, over restarts too; what has begun ends where it began',
        body: modeChoiceSchema,
        response: { 200: modeSchema, default: errorSchema },
      },
    },
    async ({ body, log }) => {
      const before = judge.modes.present().mode;
      await judge.modes.change(body);
      log.info({ before, ...body }, 'the mode was changed');
      return modeOf(judge);
    },
  );
};

const problemSchema = z.object({
  id: z.string(),
  set: z.string(),
  level: z.int(),
  number: z.int(),
  name: z.string(),
  has_small: z.boolean().describe('Whether it can be judged at a small size.'),
});

function modeOf(judge: Judge): z.infer<typeof modeSchema> {
  const present = judge.modes.present();
  return {
    mode: present.mode,
    chosen_by: judge.modes.chosenBy(),
    validator: present.validator.name,
    reward: judge.reward,
    settings: { ...judge.settings() },
    hybrid: JSON.parse(JSON.stringify(present.hybridState())),
  };
}

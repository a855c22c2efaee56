import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { FacadeParts } from '../app.js';
import { goneSignal } from '../gone.js';
import { judgeRequestSchema, type Reply } from '../request.js';
import { rewardNameSchema } from '../rewards.js';
import { problemNamedBy } from './label.js';
import { numbersOf } from './numbers.js';
import { judgeOrFallBack, openTries } from './patience.js';

/** Its client gives up after 180 s, and tries five times. */
const patienceMs = 170_000;
const clientTries = 5;

const bodySchema = z.looseObject({
  query: z.array(z.string()).describe('Prompt and response.'),
  prompts: z.array(z.string()),
  labels: z.array(z.unknown()).describe('Each names its problem.'),
});

/**
 * OpenRLHF's remote reward (`--reward.remote_url`). It sends one sample a call, or none where it has several servers.
 * After its last try it would train on nothing: a failed instrument is then answered with the lowest reward and
 * infra_ok 0. Its tensors take their type from the JSON, and training ends where a batch of rewards has whole numbers
 * alone, since they have no standard deviation there: every number is written with a decimal point.
 * (openrlhf/utils/agent.py and openrlhf/trainer/ppo_utils/experience_maker.py of OpenRLHF/OpenRLHF at 3c3be623.)
 */
export const openrlhf: FastifyPluginAsyncZod<FacadeParts> = async (app, { judge, deadlineMs = patienceMs }) => {
  const tries = openTries(clientTries);
  app.post(
    '/',
    {
      schema: {
        summary: 'OpenRLHF: remote reward',
        body: bodySchema,
        querystring: z.looseObject({ reward: rewardNameSchema.optional() }),
      },
    },
    async ({ body: { query, prompts, labels }, query: { reward } }, reply) => {
      const signal = goneSignal(reply);
      const one = async (text: string, index: number): Promise<Reply> => {
        const response = responseOf(text, prompts[index] ?? '');
        const request = judgeRequestSchema.parse({ response, reward, ...problemNamedBy(labels[index]) });
        return judgeOrFallBack(judge, tries, request, { signal, deadlineMs });
      };
      const replies = await Promise.all(query.map(one));
      const names = Object.keys(numbersOf(replies[0] ?? judge.infraReply(null)));
      const columns = names.map((name) => [name, replies.map((each) => numbersOf(each)[name] ?? 0)]);
      return reply
        .type('application/json; charset=utf-8')
        .serializer(withDecimalPoints)
        .send({
          rewards: replies.map((each) => each.reward),
          scores: replies.map((each) => each.score),
          extra_logs: replies.length === 0 ? {} : Object.fromEntries(columns),
        });
    },
  );
};

/** JSON of lists of numbers, each with a point or an exponent. */
function withDecimalPoints(lists: unknown): string {
  return JSON.stringify(lists).replaceAll(/(?<=[[,])-?\d+(?=[,\]])/g, '$&.0');
}

/** What stands behind the prompt: a kernel in the prompt is the task's example, not the agent's. */
function responseOf(query: string, prompt: string): string {
  const at = query.indexOf(prompt);
  return at < 0 ? query : query.slice(at + prompt.length);
}

import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { FacadeParts } from '../app.js';
import { goneSignal } from '../gone.js';
import { judgeRequestSchema } from '../request.js';
import { rewardNameSchema } from '../rewards.js';
import { problemNamedBy } from './label.js';
import { judgeOrFallBack, openTries } from './patience.js';

/** Its client gives up after 120 s, and tries ten times. */
const patienceMs = 110_000;
const clientTries = 10;

/**
 * slime's `--rm-type remote_rm`: a number, or with `?format=dict` the whole reply for `--reward-key reward`.
 * The problem stands in the label, since a sample's metadata is not sent. Its last try is answered as OpenRLHF's is.
 * (slime/rollout/rm_hub/__init__.py of THUDM/slime at 624b824a.)
 */
export const slime: FastifyPluginAsyncZod<FacadeParts> = async (app, { judge, deadlineMs = patienceMs }) => {
  const tries = openTries(clientTries);
  app.post(
    '/',
    {
      schema: {
        summary: 'slime: remote_rm',
        body: z.looseObject({ prompt: z.unknown(), response: z.string(), label: z.unknown() }),
        querystring: z.looseObject({
          format: z.enum(['number', 'dict']).default('number'),
          reward: rewardNameSchema.optional(),
        }),
      },
    },
    async ({ body: { response, label }, query: { format, reward } }, reply) => {
      const request = judgeRequestSchema.parse({ response, reward, ...problemNamedBy(label) });
      const judged = await judgeOrFallBack(judge, tries, request, { signal: goneSignal(reply), deadlineMs });
      return reply.send(format === 'dict' ? judged : judged.reward);
    },
  );
};

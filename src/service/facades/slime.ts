import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { sha256 } from '../../problem.js';
import type { FacadeParts } from '../app.js';
import { goneSignal } from '../gone.js';
import { judgeRequestSchema, type Reply } from '../request.js';
import { rewardNameSchema } from '../rewards.js';
import { problemNamedBy } from './label.js';
import { isClientFault, judgeInTime, openTries, unavailable } from './patience.js';

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
      const content = sha256(JSON.stringify([response, label]));
      const answer = async (): Promise<Reply> => {
        try {
          const judged = await judgeInTime(judge, request, { signal: goneSignal(reply), deadlineMs });
          tries.judged(content);
          return judged;
        } catch (thrown) {
          if (isClientFault(thrown)) throw thrown;
          if (!tries.usedUp(content)) throw unavailable(thrown);
          return judge.infraReply(thrown, request);
        }
      };
      const judged = await answer();
      return reply.send(format === 'dict' ? judged : judged.reward);
    },
  );
};

import { randomUUID } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { toKvalError } from '../../errors.js';
import type { FacadeParts } from '../app.js';
import { goneSignal } from '../gone.js';
import { judgeRequestSchema } from '../request.js';
import { rewardNameSchema } from '../rewards.js';
import { callTool, kernelTool, toolArgumentsSchema } from '../tool.js';
import { type Named, problemNamedBy } from './label.js';
import { numbersOf } from './numbers.js';
import { isClientFault, judgeInTime } from './patience.js';

/** NeMo-Gym waits for ever; verifiers, which speaks the same, for 60 s. */
const patienceMs = 55_000;
const cookieName = 'kval_session';

const rowSchema = z.looseObject({ verifier_metadata: z.unknown().optional() });
const textSchema = z.looseObject({ type: z.literal('output_text'), text: z.string() });
const messageSchema = z.looseObject({ type: z.literal('message'), content: z.array(z.unknown()) });
const verifySchema = rowSchema.extend({
  responses_create_params: z.unknown(),
  response: z.looseObject({ output: z.array(z.unknown()) }),
});

/** Where its client calls the same pages while it observes rollouts. */
const rolloutPrefix = '/ng-rollout/:rollout';

/**
 * A resource server of NeMo-Gym. The row names its problem with `problem_id` or `reference`, in `verifier_metadata` or
 * beside it. A failed instrument is `_ng_failure_class`, by which the row is left out and tried again. What a tool
 * answers is shown to the agent as it stands, errors too. An agent's next call has the cookies of the last reply alone,
 * so that each reply of the tool gives the session anew. (responses_api_agents/simple_agent/app.py and
 * nemo_gym/server_utils.py of NVIDIA-NeMo/Gym at 07d6b0d0.)
 */
export const nemoGym: FastifyPluginAsyncZod<FacadeParts> = async (app, parts) => {
  const sessions = new LRUCache<string, Named>({ max: 20_000, ttl: 3_600_000 });
  await app.register(pages, { ...parts, sessions, prefix: '' });
  await app.register(pages, { ...parts, sessions, prefix: rolloutPrefix });
};

interface PageParts extends FacadeParts {
  /** The problem of each session. */
  readonly sessions: LRUCache<string, Named>;
}

const pages: FastifyPluginAsyncZod<PageParts> = async (app, { judge, sessions, deadlineMs = patienceMs }) => {
  const keep = (reply: FastifyReply, session: string) =>
    reply.header('set-cookie', `${cookieName}=${session}; Path=/; HttpOnly`);

  app.get('/', async () => ({ status: 'ok' }));
  // JSON text of a string, since that is what it is read as.
  app.get('/reverify_mode', async (_, reply) => reply.type('application/json').serializer(String).send('"stateless"'));

  app.post('/seed_session', { schema: { body: rowSchema } }, async ({ body }, reply) => {
    const session = randomUUID();
    sessions.set(session, problemOf(body));
    return keep(reply, session).send({});
  });

  app.post(
    '/verify',
    { schema: { body: verifySchema, querystring: z.looseObject({ reward: rewardNameSchema.optional() }) } },
    async ({ body, query: { reward } }, reply) => {
      const request = judgeRequestSchema.parse({
        response: answerOf(body.response.output),
        reward,
        ...problemOf(body),
      });
      try {
        const judged = await judgeInTime(judge, request, { signal: goneSignal(reply), deadlineMs });
        return { ...body, ...numbersOf(judged), reward: judged.reward };
      } catch (thrown) {
        if (isClientFault(thrown)) throw thrown;
        const lost = judge.infraReply(thrown, request);
        return { ...body, ...numbersOf(lost), reward: 0, _ng_failure_class: 'judge_failed' };
      }
    },
  );

  const tool = { schema: { body: toolArgumentsSchema }, attachValidation: true };
  app.post(`/${kernelTool.name}`, tool, async ({ body, headers, validationError }, reply) => {
    const say = (text: string) => reply.type('text/plain; charset=utf-8').serializer(String).send(text);
    const session = new RegExp(`${cookieName}=([\\w-]+)`).exec(headers.cookie ?? '')?.[1] ?? '';
    const own = sessions.get(session);
    if (own !== undefined) keep(reply, session);
    if (validationError !== undefined) return say(`not judged (bad-input): ${validationError.message}`);
    const text = await callTool(
      { ...judge, judge: (request, call = {}) => judgeInTime(judge, request, { deadlineMs, ...call }) },
      body,
      { signal: goneSignal(reply), ...(own === undefined ? {} : { own }) },
    ).then(
      ({ feedback }) => feedback,
      (thrown: unknown) => judge.infraReply(thrown).feedback,
    );
    return say(text);
  });

  app.post(
    '/aggregate_metrics',
    { schema: { body: z.looseObject({ verify_responses: z.array(z.looseObject({})) }) } },
    async ({ body: { verify_responses } }) => {
      const means = meansOf(verify_responses);
      return { group_level_metrics: [], agent_metrics: means, key_metrics: means };
    },
  );
};

function problemOf(row: z.infer<typeof rowSchema>): Named {
  try {
    return problemNamedBy(row.verifier_metadata);
  } catch (thrown) {
    if (toKvalError(thrown).code !== 'bad-input') throw thrown;
    return problemNamedBy(row);
  }
}

/** The text of the last message of the agent. */
function answerOf(output: readonly unknown[]): string {
  const messages = output.map((item) => messageSchema.safeParse(item).data).filter((item) => item !== undefined);
  const parts = messages.at(-1)?.content.map((part) => textSchema.safeParse(part).data?.text ?? '') ?? [];
  return parts.join('');
}

/** Of every numeric key that is not NeMo-Gym's own, over the rows that have it, without rows of a failed instrument. */
function meansOf(rows: readonly Record<string, unknown>[]): Record<string, number> {
  const values = new Map<string, number[]>();
  for (const row of rows.filter((each) => each._ng_failure_class === undefined)) {
    for (const [name, value] of Object.entries(row)) {
      if (typeof value === 'number' && !name.startsWith('_')) values.set(name, [...(values.get(name) ?? []), value]);
    }
  }
  const mean = (all: readonly number[]): number => all.reduce((sum, value) => sum + value, 0) / all.length;
  return Object.fromEntries([...values].map(([name, all]) => [`mean/${name}`, mean(all)]));
}

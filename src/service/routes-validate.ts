import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import pLimit from 'p-limit';
import { z } from 'zod';
import { KvalError } from '../errors.js';
import type { Parts } from './app.js';
import { errorReply } from './error-reply.js';
import { goneSignal } from './gone.js';
import type { Idempotency, Keyed } from './idempotency.js';
import type { JudgeCall } from './judge.js';
import { errorSchema, type JudgeRequest, judgeRequestSchema, replySchema } from './request.js';
import { rewardNameSchema } from './rewards.js';

const batchSchema = z.strictObject({
  items: z.array(z.unknown()).max(10_000).describe('Each as POST /v1/validate takes it.'),
  reward: rewardNameSchema.optional().describe('Of the items that name none.'),
  step: z.int().nonnegative().optional().describe('Of the items that name none.'),
});

const resultsSchema = z.object({ results: z.array(z.union([replySchema, errorSchema])) });

/** So many items of one batch are judged at once: a batch does not fill the queue. */
const itemsAtOnce = 64;

/** Kernels whose verdicts are waited for. */
export const validateRoutes: FastifyPluginAsyncZod<Parts & { idempotency: Idempotency }> = async (
  app,
  { judge, idempotency },
) => {
  app.post(
    '/v1/validate',
    {
      schema: {
        summary: 'Judge one kernel',
        headers: callHeaders,
        body: judgeRequestSchema,
        response: { 200: replySchema, default: errorSchema },
      },
    },
    async (request, reply) => {
      const signal = goneSignal(reply);
      const work = () => judge.judge(atStep(request.body, request), callOf(request, signal));
      return idempotency.once(keyed(request, signal), replySchema, work);
    },
  );

  app.post(
    // A doubled colon is a colon: no parameter.
    '/v1/validate::batch',
    {
      bodyLimit: 16 * (app.initialConfig.bodyLimit ?? 2 ** 20),
      schema: {
        summary: 'Judge many kernels; the results come in the order of the items',
        headers: callHeaders,
        body: batchSchema,
        response: { 200: resultsSchema, default: errorSchema },
      },
    },
    async (request, reply) => {
      const { items, ...common } = request.body;
      const signal = goneSignal(reply);
      const limit = pLimit(itemsAtOnce);
      const judgeOne = async (item: unknown): Promise<z.infer<typeof replySchema | typeof errorSchema>> => {
        const parsed = judgeRequestSchema.safeParse(item);
        if (!parsed.success) return errorReply(new KvalError('bad-input', z.prettifyError(parsed.error)));
        const body = { ...common, ...parsed.data };
        return judge.judge(atStep(body, request), callOf(request, signal)).catch(errorReply);
      };
      const work = async () => ({ results: await limit.map(items, judgeOne) });
      return idempotency.once(keyed(request, signal), resultsSchema, work);
    },
  );
};

/** What a client may say beside a kernel. */
export const callHeaders = z.object({
  'idempotency-key': z.string().min(1).max(256).optional(),
  'x-kval-step': z.coerce.number().int().nonnegative().optional(),
  'x-kval-deadline-ms': z.coerce.number().positive().optional(),
});
type Headers = z.infer<typeof callHeaders>;
type Called = Pick<FastifyRequest, 'body' | 'url'> & { readonly headers: Headers };

function keyed({ headers, body, url }: Called, signal: AbortSignal): Keyed {
  const key = headers['idempotency-key'];
  return { key: key === undefined ? null : `${url} ${key}`, body, signal };
}

/** The step that the body names, else the one of the header. */
export function atStep(body: JudgeRequest, { headers }: { readonly headers: Headers }): JudgeRequest {
  const step = body.step ?? headers['x-kval-step'];
  return step === undefined ? body : { ...body, step };
}

function callOf({ headers }: Called, signal: AbortSignal): JudgeCall {
  const deadlineMs = headers['x-kval-deadline-ms'];
  return deadlineMs === undefined ? { signal } : { signal, deadlineMs };
}

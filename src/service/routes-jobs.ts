import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Parts } from './app.js';
import { goneSignal } from './gone.js';
import { isEnded, jobSchema } from './jobs.js';
import { errorSchema, judgeRequestSchema } from './request.js';
import { atStep, callHeaders } from './routes-validate.js';

const params = z.object({ id: z.string() });
const longestWaitSeconds = 120;
const heartbeatMs = 15_000;

/** Kernels whose verdicts are fetched later. */
export const jobRoutes: FastifyPluginAsyncZod<Parts> = async (app, { jobs }) => {
  app.post(
    '/v1/jobs',
    {
      schema: {
        summary: 'Accept a kernel, to be judged while nobody waits',
        headers: callHeaders,
        body: judgeRequestSchema,
        response: { 202: jobSchema, default: errorSchema },
      },
    },
    async (request, reply) => {
      const job = jobs.accept(atStep(request.body, request), request.headers['idempotency-key'] ?? null);
      return reply.code(202).header('location', job.url).send(job);
    },
  );

  app.get(
    '/v1/jobs/:id',
    {
      schema: {
        summary: 'A job, once it has ended or `wait` seconds have passed',
        params,
        querystring: z.object({ wait: z.coerce.number().min(0).default(0) }),
        response: { 200: jobSchema, default: errorSchema },
      },
    },
    async ({ params: { id }, query }, reply) => {
      const signal = goneSignal(reply);
      const until = performance.now() + Math.min(query.wait, longestWaitSeconds) * 1_000;
      let job = jobs.get(id);
      for (let left = until - performance.now(); left > 0 && !isEnded(job); left = until - performance.now()) {
        const seen = job;
        job = await jobs.changed(seen, { waitMs: left, signal });
        // Nothing changed and time is left: the service or the client is going.
        if (job.status === seen.status) break;
      }
      return job;
    },
  );

  app.get(
    '/v1/jobs/:id/events',
    {
      schema: {
        summary: 'The states of a job as server-sent events, until it has ended',
        params,
        response: { 200: z.string().describe('text/event-stream'), default: errorSchema },
      },
    },
    async ({ params: { id } }, reply) => {
      const signal = goneSignal(reply);
      let job = jobs.get(id);
      reply.hijack();
      const { raw } = reply;
      raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      const tell = (): void => void raw.write(`event: ${job.status}\ndata: ${JSON.stringify(job)}\n\n`);
      tell();
      while (!isEnded(job) && !signal.aborted) {
        const seen = job;
        job = await jobs.changed(seen, { waitMs: heartbeatMs, signal });
        if (job.status !== seen.status) tell();
        else if (jobs.draining()) break;
        else raw.write(': still there\n\n');
      }
      raw.end();
    },
  );

  app.delete(
    '/v1/jobs/:id',
    { schema: { summary: 'Cancel a job', params, response: { 200: jobSchema, default: errorSchema } } },
    async ({ params: { id } }) => jobs.cancel(id),
  );
};

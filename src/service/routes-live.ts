import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Parts } from './app.js';
import { page, pagePolicy } from './page.js';

/** What tells nobody anything: asked by machines that send no token, or, the page, empty without its data. */
export const openPaths: ReadonlySet<string> = new Set(['/', '/health', '/livez', '/readyz']);

/** How the service is: for those who look after it, and for their machines. */
export const liveRoutes: FastifyPluginAsyncZod<Parts> = async (app, { judge, jobs, tally, probe }) => {
  app.get(
    '/livez',
    { schema: { summary: 'Alive', response: { 200: z.object({ status: z.string() }) } } },
    async () => ({
      status: 'alive',
    }),
  );

  app.get(
    '/readyz',
    {
      schema: {
        summary: "Ready: the mode's parts have answered",
        response: {
          200: z.object({ status: z.string(), mode: z.string() }),
          503: z.object({ status: z.string(), mode: z.string(), missing: z.string() }),
        },
      },
    },
    async (_, reply) => {
      const { mode } = judge.modes.present();
      const missing = probe.missing();
      return missing === null
        ? reply.send({ status: 'ready', mode })
        : reply.code(503).send({ status: 'not ready', mode, missing });
    },
  );

  app.get('/health', { schema: { hide: true } }, async () => ({ status: 'healthy' }));
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  app.get('/metrics', { schema: { hide: true } }, async (_, reply) =>
    reply
      .type(tally.metrics.contentType)
      .serializer(String)
      .send(await tally.metrics.metrics()),
  );

  app.get('/', { schema: { hide: true } }, async ({ headers }, reply) =>
    headers.accept?.includes('text/html') === true
      ? reply
          .type('text/html; charset=utf-8')
          .header('content-security-policy', pagePolicy)
          .serializer(String)
          .send(page)
      : reply.send({ status: 'ok' }),
  );

  app.get('/v1/state', { schema: { summary: 'What the live page shows' } }, async () => {
    const present = judge.modes.present();
    return {
      mode: present.mode,
      validator: present.validator.name,
      hybrid: present.hybridState(),
      ready: probe.missing() === null,
      pending: judge.pending(),
      jobs: jobs.counts(),
      ...tally.state(),
    };
  });
};

import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Parts } from '../app.js';
import { toolForms } from '../tool.js';

/** The validator's definition as a tool, in the form that a framework wants. */
export const tools: FastifyPluginAsyncZod<Parts> = async (app) => {
  app.get(
    '/',
    {
      schema: {
        summary: 'The validator as a tool, for an agent',
        querystring: z.object({ format: z.enum(['openai', 'mcp', 'gtm']).default('openai') }),
      },
    },
    async ({ query: { format } }) => ({ tools: [toolForms[format]] }),
  );
};

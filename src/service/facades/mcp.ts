import { localhostOriginValidation, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler } from '@modelcontextprotocol/server';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { FacadeParts } from '../app.js';
import { mcpServer } from './mcp-server.js';

/** MCP over streamable HTTP, stateless: the revision 2026-07-28, and those before it with their `initialize`. */
export const mcp: FastifyPluginAsyncZod<FacadeParts> = async (app, { kval, judge, deadlineMs }) => {
  const handler = createMcpHandler(() => mcpServer(judge, kval.version, deadlineMs));
  const answer = toNodeHandler(handler);
  // A web page that somebody happens to visit must not reach a service on loopback.
  const isOwnOrigin = localhostOriginValidation();
  app.addHook('onClose', () => handler.close());
  app.route({
    method: ['GET', 'POST', 'DELETE'],
    url: '/',
    schema: { summary: 'MCP over streamable HTTP' },
    handler: async ({ raw, method, url, body }, reply) => {
      reply.hijack();
      if (isOwnOrigin(raw, reply.raw)) await answer(Object.assign(raw, { method, url }), reply.raw, body);
    },
  });
};

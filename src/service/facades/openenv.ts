import websocket from '@fastify/websocket';
import { localhostOriginValidation } from '@modelcontextprotocol/node';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { FacadeParts } from '../app.js';
import { goneSignal } from '../gone.js';
import {
  actionSchema,
  type Episode,
  observationSchema,
  openEpisode,
  resetSchema,
  stateSchema,
} from './openenv-episode.js';
import { type Answer, answerFrame } from './openenv-frames.js';
import { isClientFault, unavailable } from './patience.js';

const largestFrame = 16 * 2 ** 20;
const mostSessions = 1_024;

/**
 * An OpenEnv environment: each WebSocket at `/ws` is a session. Over plain HTTP `/step` is an episode of its own, whose
 * action may name a `problem_id`. `/openapi.json` is this environment's, since OpenEnv's validator looks for its paths.
 */
export const openenv: FastifyPluginAsyncZod<FacadeParts> = async (app, { kval, judge, closing, deadlineMs }) => {
  await app.register(websocket, { options: { maxPayload: largestFrame } });
  let sessions = 0;
  const open = (): Episode => openEpisode(kval, judge, deadlineMs);
  const isOwnOrigin = localhostOriginValidation();
  // As at the service's own /mcp: no web page that somebody happens to visit.
  const refuseOthers = async ({ raw }: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (!isOwnOrigin(raw, reply.raw)) reply.hijack();
  };

  app.get('/ws', { websocket: true, preValidation: refuseOthers }, (socket) => {
    const gone = new AbortController();
    const send = (answer: Answer): void => socket.send(JSON.stringify(answer));
    if (sessions >= mostSessions) {
      const message = `there are ${mostSessions} sessions already`;
      send({ type: 'error', data: { message, code: 'CAPACITY_REACHED' } });
      socket.close();
      return;
    }
    sessions += 1;
    const episode = open();
    // One frame after the other, in the order in which they came.
    let last = Promise.resolve();
    // What was accepted is answered first.
    const end = (): void => void last.then(() => socket.close(1001, 'the service is closing'));
    closing.addEventListener('abort', end, { once: true });
    if (closing.aborted) end();
    socket.on('message', (frame: unknown) => {
      if (closing.aborted) return;
      last = last.then(async () => {
        const answer = await answerFrame(episode, String(frame), gone.signal);
        if (answer === null) socket.close();
        else if (!gone.signal.aborted) send(answer);
      });
    });
    socket.on('close', () => {
      sessions -= 1;
      closing.removeEventListener('abort', end);
      gone.abort();
    });
  });

  const answered = { schema: { response: { 200: observedSchema } } };
  app.post('/reset', { schema: { ...answered.schema, body: resetSchema.nullish() } }, ({ body }) =>
    open().reset(body ?? {}),
  );
  app.post(
    '/step',
    { schema: { ...answered.schema, body: z.looseObject({ action: actionSchema }) } },
    async ({ body: { action } }, reply) => {
      try {
        return await open().step(action, goneSignal(reply));
      } catch (thrown) {
        throw isClientFault(thrown) ? thrown : unavailable(thrown);
      }
    },
  );
  app.get('/state', async () => open().state());
  app.get('/metadata', async () => ({
    name: 'kval',
    description: 'Judges CUDA kernels for KernelBench problems: compiled, correct, speed-up.',
    version: kval.version,
  }));
  app.get('/health', async () => ({ status: 'healthy' }));
  app.get('/schema', async () => ({
    action: z.toJSONSchema(actionSchema),
    observation: z.toJSONSchema(observationSchema),
    state: z.toJSONSchema(stateSchema),
  }));
  app.get('/openapi.json', { schema: { hide: true } }, async () => ({
    openapi: '3.1.0',
    info: { title: 'kval as an OpenEnv environment', version: kval.version },
    paths: { '/reset': { post: {} }, '/step': { post: {} }, '/state': { get: {} } },
  }));
  // JSON-RPC whatever comes; tools are at the service's own /mcp.
  app.post('/mcp', async ({ body }) => {
    const id = z.looseObject({ id: z.union([z.string(), z.number()]) }).safeParse(body).data?.id ?? null;
    const message = 'this environment has no MCP tools; the service offers them at /mcp';
    return { jsonrpc: '2.0', id, error: { code: id === null ? -32600 : -32601, message } };
  });
};

const observedSchema = z.object({
  observation: observationSchema,
  reward: z.number().nullable(),
  done: z.boolean(),
});

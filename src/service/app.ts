import swagger from '@fastify/swagger';
import Fastify, { type FastifyInstance, LogController } from 'fastify';
import { jsonSchemaTransform, validatorCompiler } from 'fastify-type-provider-zod';
import { errorTable, KvalError } from '../errors.js';
import type { Kval } from '../kval.js';
import { answerErrors } from './error-reply.js';
import { facades } from './facades/all.js';
import type { Idempotency } from './idempotency.js';
import type { Jobs } from './jobs.js';
import type { Judge } from './judge.js';
import type { Probe } from './probe.js';
import { aboutRoutes } from './routes-about.js';
import { jobRoutes } from './routes-jobs.js';
import { liveRoutes, openPaths } from './routes-live.js';
import { validateRoutes } from './routes-validate.js';
import type { Tally } from './tally.js';
import { demandToken, withoutToken } from './token.js';

/** What every route and facade is made with. */
export interface Parts {
  readonly kval: Kval;
  readonly judge: Judge;
  readonly jobs: Jobs;
  readonly tally: Tally;
  readonly probe: Probe;
}

/** What a facade is made with beside them. */
export interface FacadeParts extends Parts {
  /** Aborted when no more work is taken: whoever holds a connection ends it. */
  readonly closing: AbortSignal;
  /** When a facade's client gives up, in place of what is known of that client. */
  readonly deadlineMs?: number;
}

export interface AppOptions extends Omit<FacadeParts, 'closing'> {
  readonly idempotency: Idempotency;
  /** What clients must know; null: nothing is asked of them. */
  readonly token: string | null;
  /** `silent` logs nothing. Kernel texts and tokens are never logged. */
  readonly logLevel?: string;
  readonly bodyLimitBytes?: number;
  /** A request that has not arrived whole by then is given up. */
  readonly requestTimeoutMs?: number;
}

export interface App {
  readonly http: FastifyInstance;
  /** Takes no more work and waits for what was accepted: answers on their way and jobs at work. */
  drain(): Promise<void>;
}

export async function buildApp(options: AppOptions): Promise<App> {
  const { token, idempotency, logLevel = 'info', bodyLimitBytes = 4 * 2 ** 20, ...rest } = options;
  const { requestTimeoutMs = 30_000, ...parts } = rest;
  const { kval, judge, jobs, tally } = parts;
  const http = Fastify({
    // `originalUrl` may have the token in it.
    logger: { level: logLevel, stream: process.stderr, redact: ['originalUrl'] },
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: bodyLimitBytes,
    requestTimeout: requestTimeoutMs,
    // Node swaps the two limits where that of the head is the longer one, and it is a minute by itself.
    http: {
      headersTimeout: Math.min(15_000, requestTimeoutMs),
      connectionsCheckingInterval: Math.min(5_000, requestTimeoutMs),
    },
    // Everything is answered by then. What is left are connections that wait, and such as never asked: Node counts those
    // as busy, and would wait for them as long as they stay.
    forceCloseConnections: true,
    rewriteUrl: withoutToken,
  });
  http.setValidatorCompiler(validatorCompiler);
  // Replies are typed by their schemas already, and checked against them in the tests.
  http.setSerializerCompiler(() => (reply) => JSON.stringify(reply));
  // Only JSON is spoken here; a facade that wants more adds its own parser.
  http.removeContentTypeParser('text/plain');
  answerErrors(http, () => tally.retryAfterSeconds(judge.pending()));

  const closing = new AbortController();
  let working = 0;
  let idle = (): void => {};
  http.addHook('onRequest', async (request, reply) => {
    working += 1;
    // A refused WebSocket would stay half open, and the server would wait for it.
    if (request.headers.upgrade !== undefined) reply.raw.once('finish', () => request.raw.socket.destroySoon());
    // `onResponse` would not come where the client has gone.
    reply.raw.once('close', () => {
      working -= 1;
      if (working === 0) idle();
      const { method, routeOptions, log } = request;
      const route = routeOptions.url ?? 'none';
      const status = reply.raw.writableFinished ? reply.statusCode : errorTable.interrupted.http;
      tally.request(route, status, reply.elapsedTime);
      log.debug({ method, route, status, ms: reply.elapsedTime }, 'answered');
    });
    if (!closing.signal.aborted || request.method === 'GET') return;
    reply.header('connection', 'close');
    throw new KvalError('closing', 'the service is closing', { retry: true });
  });
  if (token !== null) demandToken(http, token, openPaths);

  await http.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'kval', description: 'Judges CUDA kernels.', version: kval.version },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      ...(token === null ? {} : { security: [{ bearer: [] }] }),
    },
    transform: jsonSchemaTransform,
  });
  await http.register(liveRoutes, parts);
  await http.register(aboutRoutes, parts);
  await http.register(validateRoutes, { ...parts, idempotency });
  await http.register(jobRoutes, parts);
  for (const { prefix, plugin } of facades) {
    await http.register(plugin, { ...parts, closing: closing.signal, prefix });
  }

  return {
    http,
    async drain() {
      closing.abort();
      await jobs.drain();
      if (working > 0) await new Promise<void>((resolve) => (idle = resolve));
      await http.close();
    },
  };
}

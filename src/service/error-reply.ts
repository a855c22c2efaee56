import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { KvalError, toKvalError } from '../errors.js';
import type { ErrorReply } from './request.js';

/** Every error of the service, its own and Fastify's, with one body: what is wrong, what to do, whether to ask again. */
export function answerErrors(app: FastifyInstance, retryAfterSeconds: () => number): void {
  app.setErrorHandler((thrown, request, reply: FastifyReply) => {
    const { status, error } = errorOf(thrown);
    if (status >= 500) request.log.warn({ code: error.code, route: request.routeOptions.url }, error.message);
    if (['busy', 'closing', 'starting'].includes(error.code)) reply.header('retry-after', retryAfterSeconds());
    if (error.code === 'unauthorised') reply.header('www-authenticate', 'Bearer');
    return reply.code(status).send(errorReply(error));
  });
  app.setNotFoundHandler((request, reply) => {
    const fix = 'See /openapi.json for what there is.';
    const error = new KvalError('not-found', `there is nothing at ${request.method} ${request.url.split('?')[0]}`, {
      fix,
    });
    return reply.code(404).send(errorReply(error));
  });
}

export function errorReply(thrown: unknown): ErrorReply {
  const { code, message, fix, retry } = toKvalError(thrown);
  return { error: { code, message, fix, retry } };
}

function errorOf(thrown: unknown): { readonly status: number; readonly error: KvalError } {
  const said = requestFault(thrown);
  if (said !== null) {
    const fix = 'Correct the request; /openapi.json says how it must be.';
    return { status: said.status, error: new KvalError('bad-input', said.message, { fix }) };
  }
  const error = toKvalError(thrown);
  return { status: error.httpStatus, error };
}

/** What is wrong with a request as Fastify or its schema sees it. */
function requestFault(thrown: unknown): { readonly status: number; readonly message: string } | null {
  if (hasZodFastifySchemaValidationErrors(thrown)) {
    const places = thrown.validation.map(({ instancePath, message }) =>
      [instancePath.slice(1).replaceAll('/', '.'), message].filter((part) => part !== '').join(': '),
    );
    return { status: 400, message: places.join('; ') };
  }
  if (!isFastifyError(thrown) || thrown.statusCode === undefined || thrown.statusCode >= 500) return null;
  return { status: thrown.statusCode, message: thrown.message };
}

function isFastifyError(thrown: unknown): thrown is FastifyError {
  return thrown instanceof Error && !(thrown instanceof KvalError) && 'statusCode' in thrown;
}

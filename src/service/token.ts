import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { KvalError } from '../errors.js';

/** Tokens that stood in a path, kept aside before anybody can log the path. */
const inPath = new WeakMap<IncomingMessage, string>();

/** Takes the token out of `/t/TOKEN/...`, for clients that can send no headers. */
export function withoutToken(request: IncomingMessage): string {
  const [, token, rest] = /^\/t\/([^/?]+)(.*)$/.exec(request.url ?? '') ?? [];
  if (token === undefined) return request.url ?? '/';
  inPath.set(request, token);
  return rest?.startsWith('/') === true ? rest : `/${rest ?? ''}`;
}

/** Asks every request for the token, except those to `open` paths. */
export function demandToken(app: FastifyInstance, token: string, open: ReadonlySet<string>): void {
  const wanted = digest(token);
  app.addHook('onRequest', async ({ raw, headers, routeOptions }) => {
    if (open.has(routeOptions.url ?? '')) return;
    const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
    const given = [inPath.get(raw), bearer].filter((one) => one !== undefined);
    // Digests have one length, so that the comparison takes one time.
    if (given.some((one) => timingSafeEqual(digest(one), wanted))) return;
    throw new KvalError('unauthorised', given.length === 0 ? 'there is no token' : 'the token is not the right one');
  });
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

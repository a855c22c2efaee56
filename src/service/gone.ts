import type { FastifyReply } from 'fastify';

/** Aborted when the client has gone before its answer was written. (Fastify's own `request.signal` also aborts when a request has arrived whole.) */
export function goneSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort();
  });
  return gone.signal;
}

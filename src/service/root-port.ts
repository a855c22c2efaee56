import { once } from 'node:events';
import { createServer } from 'node:http';
import type { FastifyInstance } from 'fastify';

export interface RootPort {
  /** What of the service is served there, such as `/nemo-gym`. */
  readonly prefix: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** The service's own: the port's clients send none. */
  readonly token: string | null;
}

/**
 * A facade at the root of a port of its own, for a client that knows hosts and ports, but no paths and no tokens. On
 * 127.0.0.1 alone, since nothing is asked there. Requests take the service's way from its hooks to its drain, and the
 * port closes with it. Call it before the service listens; it resolves to the port once it is served.
 */
export async function openRootPort(app: FastifyInstance, { prefix, port, token }: RootPort): Promise<number> {
  const below = token === null ? prefix : `/t/${token}${prefix}`;
  const { requestTimeout, headersTimeout } = app.server;
  const server = createServer({ requestTimeout, headersTimeout }, (request, response) => {
    request.url = `${below}${request.url ?? '/'}`;
    app.routing(request, response);
  });
  app.addHook('onClose', async () => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });
  await app.ready();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a server that listens has a port');
  return address.port;
}

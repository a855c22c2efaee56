import { createServer, type ServerResponse } from 'node:http';

/** `hangs`: takes questions and says nothing; `garbage`: says what is no answer. */
export type Manner = 'answers' | 'hangs' | 'garbage';

export interface BadEngine {
  readonly url: string;
  manner: Manner;
  /** Questions that it has and does not answer. */
  readonly held: ReadonlySet<ServerResponse>;
  close(): Promise<void>;
}

/** A language model's server that behaves while it is being looked over, and then as it is told. */
export async function startBadEngine({ port: wanted = 0 } = {}): Promise<BadEngine> {
  const held = new Set<ServerResponse>();
  const say = (response: ServerResponse, body: unknown): void => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(body));
  };
  const server = createServer((request, response) => {
    request.resume();
    if (request.url?.endsWith('/models') === true) return say(response, { data: [{ id: 'bad', object: 'model' }] });
    switch (engine.manner) {
      case 'hangs':
        held.add(response);
        response.on('close', () => held.delete(response));
        return;
      case 'garbage':
        return void response.end('<html>502 Bad Gateway</html>');
      case 'answers':
        return say(response, { id: 'a', choices: [choice] });
    }
  });
  await new Promise<void>((resolve) => server.listen(wanted, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const engine: BadEngine = {
    url: `http://127.0.0.1:${port}/v1`,
    manner: 'answers',
    held,
    async close() {
      // Who asks again at once must find nobody.
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  return engine;
}

const choice = {
  index: 0,
  message: { role: 'assistant', content: '{"kval_probe": "kept"}' },
  logprobs: { content: [{ token: '{', logprob: 0, bytes: null, top_logprobs: [] }] },
  finish_reason: 'stop',
};

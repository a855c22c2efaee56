import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';

export interface ChatRequest {
  readonly body: z.infer<typeof bodySchema>;
  readonly authorization: string | undefined;
  /** How many requests with the same prompt came before. */
  readonly before: number;
}

export interface ChatServer {
  readonly baseUrl: string;
  readonly requests: readonly ChatRequest[];
  close(): Promise<void>;
}

type Reply = (request: ChatRequest, response: ServerResponse) => void;

const bodySchema = z.looseObject({
  model: z.string(),
  messages: z.array(z.object({ role: z.string(), content: z.string() })),
  stream: z.boolean().optional(),
});

/** A server on 127.0.0.1 that speaks the chat completions protocol; `reply` decides what each request gets. */
export async function startChatServer(reply: Reply): Promise<ChatServer> {
  const requests: ChatRequest[] = [];
  const server = createServer((incoming, response) => {
    response.on('error', () => {});
    readBody(incoming).then(
      (text) => {
        const body = bodySchema.parse(JSON.parse(text));
        const prompt = body.messages[0]?.content;
        const before = requests.filter((request) => request.body.messages[0]?.content === prompt).length;
        const request = { body, authorization: incoming.headers.authorization, before };
        requests.push(request);
        reply(request, response);
      },
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    baseUrl: `http://127.0.0.1:${portOf(address)}/v1`,
    requests,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(Buffer.from(part));
  return Buffer.concat(parts).toString('utf8');
}

/** An answer as a stream of small parts, the way vLLM and its kin send it. */
export function streamAnswer(
  response: ServerResponse,
  text: string,
  options: { cut?: boolean; usage?: boolean } = {},
): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (value: unknown): void => {
    response.write(`data: ${JSON.stringify(value)}\n\n`);
  };
  for (let at = 0; at < text.length; at += 40) {
    send({ choices: [{ index: 0, delta: { content: text.slice(at, at + 40) }, finish_reason: null }], usage: null });
    if (options.cut && at > text.length / 2) {
      response.socket?.destroy();
      return;
    }
  }
  send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
  if (options.usage !== false)
    send({ choices: [], usage: { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 } });
  response.end('data: [DONE]\n\n');
}

/** The same in one piece, from a server that does not stream. */
export function wholeAnswer(response: ServerResponse, text: string, finishReason = 'stop'): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({
      choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: finishReason }],
      usage: { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 },
    }),
  );
}

export function refuse(
  response: ServerResponse,
  status: number,
  error: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ error }));
}

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { openService } from './open.js';

it('closes every connection: those that never asked, that asked half, that wait for more, and the one at work last', async () => {
  const service = await openService();
  const { hostname, port } = new URL(service.url);
  const open = async (text: string): Promise<Socket> => {
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    if (text !== '') socket.write(text);
    return socket;
  };
  const heard = async (socket: Socket): Promise<string> => {
    let text = '';
    for await (const piece of socket) text += String(piece);
    return text;
  };
  const body = JSON.stringify({ response: 'no code', problem_id: 'starter/level1/7' });
  const head = `POST /v1/validate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  const sockets = await Promise.all(['', 'GET /livez HT', 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n'].map(open));
  const atWork = await open(head);
  await once(sockets[2] ?? atWork, 'data');
  // Its head has been read once what came after it is answered.
  await service.ask('/livez');
  const heads = [...sockets, atWork].map((socket) => heard(socket).catch(String));
  const closed = service.close();
  atWork.write(body);
  await closed;
  const [silent, half, waiting, answered] = await Promise.all(heads);
  expect([silent, half, waiting]).toEqual(['', expect.not.stringMatching(/200 OK/), '']);
  expect(answered).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*"status":"invalid"/);
});

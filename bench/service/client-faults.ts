import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type Bench, errorBody, type Found, post, text, until, withServer } from './asking.js';

export async function clientGone({ config, kernels }: Bench): Promise<Found> {
  return withServer(config, {}, async (server) => {
    const rounds = 300;
    await (await post(server, '/v1/validate', kernels.body(0))).text();
    const before = server.openFiles();
    for (let number = 1; number <= rounds; number += 1) {
      const gone = new AbortController();
      const asked = post(server, '/v1/validate', kernels.body(number), { signal: gone.signal }).catch(() => null);
      await sleep(number % 5);
      gone.abort();
      await asked;
    }
    const { pending } = stateSchema.parse(JSON.parse(await text(server, '/v1/state')));
    const after = await post(server, '/v1/validate', kernels.body(0));
    await after.text();
    // This client keeps a connection or two for what it may ask next.
    const closed = await until(() => server.openFiles() <= before + 2);
    const files = `${before} open files before, ${server.openFiles()} after`;
    const exit = await server.stop();
    const what = `${rounds} left; ${pending} kernels pending, ${files}, the next answered ${after.status}, exit ${exit}`;
    return { passed: pending === 0 && after.status === 200 && closed && exit === 0, what };
  });
}

export async function slowClient({ config, kernels }: Bench): Promise<Found> {
  return withServer(config, {}, async (server) => {
    const { port, hostname } = new URL(server.url);
    const startedAt = performance.now();
    const slow = Array.from({ length: 200 }, () => {
      const socket = connect(Number(port), hostname);
      socket.write(
        'POST /v1/validate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{',
      );
      const drip = setInterval(() => socket.write(' '), 1_000);
      return new Promise<void>((resolve) => {
        socket.on('error', () => {});
        socket.on('close', () => {
          clearInterval(drip);
          resolve();
        });
        socket.resume();
      });
    });
    await sleep(1_000);
    const during = await post(server, '/v1/validate', kernels.body(1));
    await Promise.race([Promise.all(slow), sleep(60_000, undefined, { ref: false })]);
    const seconds = (performance.now() - startedAt) / 1_000;
    const what = `200 dripping clients cut off after ${seconds.toFixed(0)} s; another was answered ${during.status} meanwhile`;
    return { passed: during.status === 200 && seconds < 50, what };
  });
}

export async function badBodies({ config, kernels }: Bench): Promise<Found> {
  return withServer(config, {}, async (server) => {
    const bodies: readonly [number, string, Record<string, string>?][] = [
      [413, JSON.stringify({ kernel: 'x'.repeat(5 * 2 ** 20), problem_id: kernels.problemId })],
      [400, '{"kernel": '],
      [400, '\u0000\u0001\u0002'],
      [400, '[]'],
      [400, 'null'],
      [400, `${'['.repeat(100_000)}`],
      [400, '{"kernel": "x", "problem_id": 7}'],
      [400, '{"__proto__": {"kernel": "x"}, "problem_id": "level1/1"}'],
      [415, 'kernel=x', { 'content-type': 'application/x-www-form-urlencoded' }],
    ];
    const wrong: string[] = [];
    for (const [status, body, headers] of bodies) {
      const answer = await post(server, '/v1/validate', body, { headers: headers ?? {} }).catch(() => null);
      // Who goes on sending what was refused by its length may find the connection closed before it reads why.
      if (answer === null && status === 413) continue;
      if (answer === null) throw new Error(`no answer to ${body.slice(0, 20)}`);
      const told = errorBody.safeParse(JSON.parse(await answer.text())).success;
      if (answer.status !== status || !told) wrong.push(`${body.slice(0, 20)} got ${answer.status}`);
    }
    const after = await post(server, '/v1/validate', kernels.body(1));
    const what = wrong.length > 0 ? wrong.join('; ') : `${bodies.length} refused with their status and an error body`;
    return { passed: wrong.length === 0 && after.status === 200, what };
  });
}

export async function badTokens({ config, kernels }: Bench): Promise<Found> {
  return withServer(config, { environment: { KVAL_TOKEN: 'the-right-token' } }, async (server) => {
    const asked: readonly [number, string, string][] = [
      [401, '', ''],
      [401, '', 'Bearer the-wrong-token'],
      [401, '', 'Bearer the-right-token2'],
      [401, '', 'Basic the-right-token'],
      [401, '/t/the-wrong-token', ''],
      [401, '/t/%00', ''],
      [200, '', 'Bearer the-right-token'],
      [200, '/t/the-right-token', ''],
    ];
    const wrong: string[] = [];
    for (const [status, prefix, authorization] of asked) {
      const headers = authorization === '' ? {} : { authorization };
      const answer = await post(server, `${prefix}/v1/validate`, kernels.body(1), { headers });
      if (answer.status !== status) wrong.push(`${prefix}${authorization} got ${answer.status}`);
    }
    return { passed: wrong.length === 0, what: wrong.length > 0 ? wrong.join('; ') : '6 got 401, 2 got 200' };
  });
}

const stateSchema = z.object({ pending: z.int() });

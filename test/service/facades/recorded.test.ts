import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readConfig } from '../../../src/config.js';
import type { Service } from '../open.js';
import { openHandService } from './hand.js';

/** What a framework's published client sent, and what it reads of the answers. */
const recordedSchema = z.strictObject({
  origin: z.strictObject({
    repository: z.string(),
    commit: z.string().length(40),
    file: z.string(),
    function: z.string(),
    how: z.string(),
  }),
  exchanges: z.array(
    z.strictObject({
      method: z.string(),
      path: z.string(),
      headers: z.record(z.string(), z.string()),
      body: z.json().optional(),
      status: z.int(),
      /** JSON Schema of what the client reads; without it the client looks at the status alone, or at the text. */
      reads: z.record(z.string(), z.json()).optional(),
      /** Pattern of the answer's text. */
      matches: z.string().optional(),
    }),
  ),
});

const folder = join(readConfig({}).root, 'test/service/facades/recorded');
const clients = readdirSync(folder).map((name) => {
  const recorded = recordedSchema.parse(JSON.parse(readFileSync(join(folder, name), 'utf8')));
  return [`${recorded.origin.repository} (${name})`, recorded] as const;
});

let service: Service;
beforeAll(async () => {
  service = await openHandService();
});
afterAll(() => service.close());

describe('a published client, from its recorded requests', () => {
  it.each(clients)('%s reads in every answer what it needs', async (_, { exchanges }) => {
    let cookies = '';
    for (const { method, path, headers, body, status, reads, matches } of exchanges) {
      // In place of the session that the service gave when it was recorded: such clients keep the last reply's.
      const sent = 'cookie' in headers ? { ...headers, cookie: cookies } : headers;
      const answer = await service.ask(path, { method, headers: sent, ...(body === undefined ? {} : { body }) });
      const at = `${method} ${path}: ${answer.text}`;
      expect(answer.status, at).toBe(status);
      if (matches !== undefined) expect(answer.text, at).toMatch(new RegExp(matches));
      if (reads !== undefined) expect(z.fromJSONSchema(reads).safeParse(answer.json).error, at).toBeUndefined();
      cookies = answer.headers
        .getSetCookie()
        .map((cookie) => cookie.split(';')[0])
        .join('; ');
    }
  });
});

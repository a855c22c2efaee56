import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  build,
  cancel,
  checkProblem,
  execute,
  helloSchema,
  type Method,
  problem,
  protocolJsonSchema,
  replySchema,
  requestSchema,
} from '../../src/worker/protocol.js';

const folder = join(import.meta.dirname, '..', 'fixtures', 'protocol');
const schemaFile = join(folder, 'schema.json');

test('schema.json is what the declarations say', () => {
  const made = `${JSON.stringify(protocolJsonSchema(), null, 2)}\n`;
  if (process.env.UPDATE_SCHEMA === '1') writeFileSync(schemaFile, made);
  expect(readFileSync(schemaFile, 'utf8'), 'update: UPDATE_SCHEMA=1 npx vitest run test/worker/protocol.test.ts').toBe(
    made,
  );
});

const methods: readonly Method<unknown, unknown>[] = [build, execute, problem, checkProblem, cancel];

describe('golden lines', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.jsonl'));

  test('there are some', () => {
    expect(files).not.toEqual([]);
  });

  test.each(files)('%s: every line is read, and nothing in it is unknown here', (name) => {
    const asked = new Map<string, Method<unknown, unknown>>();
    for (const text of readFileSync(join(folder, name), 'utf8').split('\n')) {
      if (text.trim() === '') continue;
      checkLine(JSON.parse(text), asked);
    }
  });
});

/** Parsing drops what it does not know, so what is equal afterwards was known in full. */
function checkLine(line: Record<string, unknown>, asked: Map<string, Method<unknown, unknown>>): void {
  if ('method' in line) {
    const request = requestSchema.parse(line);
    const method = methods.find((one) => one.name === request.method);
    if (method === undefined) throw new Error(`unknown method ${request.method}`);
    expect(method.params.parse(request.params)).toEqual(request.params);
    asked.set(request.id, method);
  } else if (line.type === 'hello') {
    expect(helloSchema.parse(line)).toEqual(line);
  } else {
    const reply = replySchema.parse(line);
    expect(reply).toEqual(line);
    const method = asked.get(reply.id);
    if (reply.type === 'result' && method !== undefined)
      expect(method.result.parse(reply.result)).toEqual(reply.result);
  }
}

import { describe, expect, it } from 'vitest';
import { parseJson } from '../../src/import/json.js';
import { type Line, readLines } from '../../src/import/lines.js';

async function collect(bytes: AsyncIterable<Uint8Array>, limit?: number): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const line of readLines(bytes, limit === undefined ? {} : { limit })) lines.push(line);
  return lines;
}

async function* pieces(chunks: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

describe('readLines', () => {
  it('numbers lines as an editor does, across pieces, newline styles and a missing last newline', async () => {
    expect(await collect(pieces(['\uFEFFa\r', '\nb', 'c\n\n', 'd']))).toEqual([
      { number: 1, text: 'a' },
      { number: 2, text: 'bc' },
      { number: 4, text: 'd' },
    ]);
  });

  it('joins a character that two pieces share', async () => {
    const bytes = Buffer.from('ü\n');
    expect(await collect(pieces([bytes.subarray(0, 1), bytes.subarray(1)]))).toEqual([{ number: 1, text: 'ü' }]);
  });

  it('passes over a line above the limit without holding it, and goes on', async () => {
    const endless = (async function* () {
      yield Buffer.from('a\n');
      for (let part = 0; part < 2_000; part += 1) yield Buffer.alloc(2 ** 20, 'x');
      yield Buffer.from('\nb\n');
    })();
    const before = process.memoryUsage().rss;
    const lines = await collect(endless, 4 * 2 ** 20);
    expect(lines).toEqual([
      { number: 1, text: 'a' },
      { number: 2, reason: expect.stringContaining('longer than') },
      { number: 3, text: 'b' },
    ]);
    expect(process.memoryUsage().rss - before).toBeLessThan(500 * 2 ** 20);
  });
});

describe('parseJson', () => {
  it('reads the non-finite numbers of Python as null, and leaves the words in texts alone', () => {
    expect(parseJson('{"a": NaN, "b": [-Infinity, Infinity, -1], "c": "NaN \\" Infinity"}')).toEqual({
      a: null,
      b: [null, null, -1],
      c: 'NaN " Infinity',
    });
  });

  it('refuses what is broken', () => {
    expect(() => parseJson('{"a": NaN')).toThrow(/not JSON/);
  });
});

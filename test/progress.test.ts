import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { openProgress } from '../src/progress.js';

function sink(isTTY: boolean) {
  let text = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  const terminal = { isTTY, columns: 120, cursorTo() {}, moveCursor() {}, clearLine() {}, clearScreenDown() {} };
  return { stream: Object.assign(stream, terminal) as unknown as NodeJS.WriteStream, text: () => text };
}

test('without a terminal a plain line appears now and then, and one at the end', () => {
  const { stream, text } = sink(false);
  let clock = 0;
  const progress = openProgress('kernels', { stream, everyMs: 10_000, now: () => clock });
  for (clock = 0; clock <= 25_000; clock += 1_000) progress.update(100 + clock / 1_000, 200);
  progress.update(126, 200, '3 failed');
  progress.close();
  progress.close();
  // 100 were there before: the rate counts what was done since.
  expect(text().split('\n')).toEqual([
    'kernels 110/200, 1.1/s, 82 s left',
    'kernels 120/200, 1.1/s, 77 s left',
    'kernels 126/200, 1.0/s, 72 s left, 3 failed',
    '',
  ]);
});

test('on a terminal it is a bar', () => {
  const { stream, text } = sink(true);
  let clock = 0;
  const progress = openProgress('kernels', { stream, now: () => clock });
  progress.update(0, 4);
  clock = 2_000;
  progress.update(2, 4);
  progress.close();
  expect(text()).toContain('kernels [');
  expect(text()).toContain('2/4 1.0/s, 2 s left');
});

test('nothing done is nothing said', () => {
  const { stream, text } = sink(false);
  openProgress('kernels', { stream }).close();
  expect(text()).toBe('');
});

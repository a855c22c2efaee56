import type { Readable } from 'node:stream';
import { stopIfAborted } from './report.js';

/** A line of a text file, or why it is none. */
export type Line =
  | { readonly number: number; readonly text: string }
  | { readonly number: number; readonly reason: string };

/** The longest line that is taken: above any real row, and the most that is ever held in memory. */
export const lineSizeLimit = 32 * 2 ** 20;

/**
 * Reads lines from a byte stream in bounded memory: a longer line than the limit is passed over, not collected.
 * Newlines are `\n` or `\r\n`; a byte order mark is dropped; blank lines are counted and not given.
 */
export async function* readLines(
  bytes: Readable | AsyncIterable<Uint8Array>,
  options: { signal?: AbortSignal | undefined; limit?: number } = {},
): AsyncGenerator<Line> {
  const limit = options.limit ?? lineSizeLimit;
  let parts: Uint8Array[] = [];
  let held = 0;
  let tooLong = false;
  let number = 1;

  const add = (part: Uint8Array): void => {
    if (tooLong || held + part.length > limit) {
      tooLong = true;
      parts = [];
      return;
    }
    parts.push(part);
    held += part.length;
  };
  const finish = (): Line | null => {
    const line = tooLong
      ? { number, reason: `the line is longer than ${limit} bytes` }
      : decodeLine(Buffer.concat(parts), number);
    parts = [];
    held = 0;
    tooLong = false;
    number += 1;
    return line;
  };

  for await (const chunk of bytes) {
    stopIfAborted(options.signal);
    const buffer: Uint8Array = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    let start = 0;
    for (let end = buffer.indexOf(10); end >= 0; end = buffer.indexOf(10, start)) {
      add(buffer.subarray(start, end));
      start = end + 1;
      const line = finish();
      if (line) yield line;
    }
    if (start < buffer.length) add(buffer.subarray(start));
  }
  if (held > 0 || tooLong) {
    const line = finish();
    if (line) yield line;
  }
}

function decodeLine(bytes: Uint8Array, number: number): Line | null {
  const text = decodeUtf8(bytes);
  if (text === null) return { number, reason: 'the line is not UTF-8' };
  const line = text.endsWith('\r') ? text.slice(0, -1) : text;
  return line.trim() === '' ? null : { number, text: line };
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/** Strict UTF-8, without its byte order mark; null where the bytes are something else. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

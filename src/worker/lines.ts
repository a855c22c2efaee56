import type { Readable } from 'node:stream';

/**
 * Cuts a stream into lines of UTF-8. Half a line at the end is nobody's line and is dropped.
 * A line longer than the limit is reported once, and reading stops there: memory stays bounded whatever is written.
 */
export function readLines(
  stream: Readable,
  options: { maxLineBytes: number; onLine: (line: string) => void; onTooLong: () => void },
): Promise<void> {
  let pieces: Buffer[] = [];
  let held = 0;
  let tooLong = false;
  stream.on('data', (piece: Buffer) => {
    if (tooLong) return;
    let start = 0;
    for (let end = piece.indexOf(10); end !== -1; end = piece.indexOf(10, start)) {
      const last = piece.subarray(start, end);
      const line = pieces.length === 0 ? last : Buffer.concat([...pieces, last]);
      pieces = [];
      held = 0;
      start = end + 1;
      options.onLine(line.toString('utf8'));
    }
    const rest = piece.subarray(start);
    held += rest.length;
    if (held > options.maxLineBytes) {
      tooLong = true;
      pieces = [];
      options.onTooLong();
    } else if (rest.length > 0) pieces.push(rest);
  });
  return new Promise((resolve) => {
    stream.once('close', resolve);
    stream.once('end', resolve);
    stream.once('error', () => resolve());
  });
}

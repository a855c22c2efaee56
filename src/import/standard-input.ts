import type { Readable } from 'node:stream';
import { candidateSizeLimit } from '../candidate.js';
import { KvalError } from '../errors.js';
import type { ImportedCandidate } from './candidate-row.js';
import { candidatesOfRows } from './candidates-of-rows.js';
import { type ImportEvent, stopIfAborted } from './report.js';
import { kindOfText, rowsOfLines } from './rows.js';
import { sourceCandidate } from './source-candidate.js';
import { decodeSource } from './source-file.js';
import { rowContext, type Stated } from './stated.js';

type Events = AsyncGenerator<ImportEvent<ImportedCandidate>>;

/** Standard input: JSON Lines where it begins with a JSON object, otherwise one source. */
export async function* readInput(input: Readable, format: string, stated: Stated): Events {
  const context = { ...rowContext(stated, 'stdin') };
  if (format === 'jsonl') return yield* candidatesOfRows(rowsOfLines(input, stated.signal), '-', context);
  if (format !== 'auto' && format !== 'source') {
    throw new KvalError('usage', `standard input is JSON Lines or one source, not ${format}`);
  }
  const head: Buffer[] = [];
  let size = 0;
  const iterator = input[Symbol.asyncIterator]();
  let ended = false;
  while (!ended && size <= candidateSizeLimit && !Buffer.concat(head).includes(10)) {
    stopIfAborted(stated.signal);
    const next = await iterator.next();
    ended = next.done === true;
    if (!ended) {
      head.push(Buffer.from(next.value));
      size += Buffer.byteLength(next.value);
    }
  }
  const first = Buffer.concat(head);
  if (first.length === 0) throw new KvalError('bad-input', 'standard input is empty');
  const rest = chained(first, iterator);
  if (format === 'auto' && kindOfText(first, ended) === 'jsonl') {
    return yield* candidatesOfRows(rowsOfLines(rest, stated.signal), '-', context);
  }
  const item = sourceCandidate(decodeSource(await takeAll(rest), 'standard input'), '-', 'stdin', stated);
  yield { kind: 'item', item, where: '-', line: null };
}

async function* chained(first: Buffer, rest: AsyncIterator<Buffer | string>): AsyncGenerator<Uint8Array> {
  yield first;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield Buffer.from(next.value);
}

async function takeAll(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of bytes) {
    parts.push(part);
    size += part.length;
    if (size > candidateSizeLimit) {
      throw new KvalError('bad-input', `the candidate has more than ${candidateSizeLimit} bytes`);
    }
  }
  return Buffer.concat(parts);
}

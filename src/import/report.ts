import { KvalError, toKvalError } from '../errors.js';

/** A row, file or label that did not become an item, named so that somebody can look at it. */
export interface ImportNote {
  /** The file, relative to what was imported where that is a folder. */
  readonly where: string;
  /** 1-based line of a text file, or row of a parquet file; null where the whole file is meant. */
  readonly line: number | null;
  readonly reason: string;
}

/** What a reader says as it goes, one event for each record that it read. */
export type ImportEvent<T> =
  | { readonly kind: 'item'; readonly item: T; readonly where: string; readonly line: number | null }
  | ({ readonly kind: 'malformed' } & ImportNote)
  | ({ readonly kind: 'skipped' } & ImportNote)
  | ({ readonly kind: 'duplicate' } & ImportNote);

/**
 * Everything that an import read, with nothing unaccounted for:
 * `read = items + malformed + skipped + duplicates`.
 */
export interface ImportReport<T> {
  readonly items: readonly T[];
  /** Records seen: rows, source files, and published labels that belong to no kernel. */
  readonly read: number;
  /** Records that could not be understood. */
  readonly malformed: readonly ImportNote[];
  /** Records that are well-formed and hold nothing to import: a generation that failed, a label without its kernel. */
  readonly skipped: readonly ImportNote[];
  /** Records that repeat an earlier one in every respect. */
  readonly duplicates: number;
}

export async function collectReport<T>(events: AsyncIterable<ImportEvent<T>>): Promise<ImportReport<T>> {
  const items: T[] = [];
  const malformed: ImportNote[] = [];
  const skipped: ImportNote[] = [];
  let duplicates = 0;
  for await (const event of events) {
    switch (event.kind) {
      case 'item':
        items.push(event.item);
        break;
      case 'malformed':
        malformed.push(noteOf(event));
        break;
      case 'skipped':
        skipped.push(noteOf(event));
        break;
      case 'duplicate':
        duplicates += 1;
        break;
    }
  }
  return { items, read: items.length + malformed.length + skipped.length + duplicates, malformed, skipped, duplicates };
}

function noteOf({ where, line, reason }: ImportNote): ImportNote {
  return { where, line, reason };
}

/** The event for a record that a noun or a parser refused: its message, or the error itself where kval is to blame. */
export function malformedBy(thrown: unknown, where: string, line: number | null): ImportEvent<never> {
  const error = toKvalError(thrown);
  if (error.code !== 'bad-input' && error.code !== 'usage') throw error;
  return { kind: 'malformed', where, line, reason: error.message };
}

export function stopIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new KvalError('interrupted', 'the import was stopped before it was finished');
}

import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { KvalError } from '../errors.js';
import type { Json, JsonObject } from './json.js';
import { stopIfAborted } from './report.js';

/** Long columns of profiler text that no importer looks at. */
const unread = new Set(['NCU_Profile', 'Torch_Profile', 'Clang_Tidy']);

/** Rows of a parquet file, one row group in memory at a time; `line` is the 1-based row. */
export async function* readParquetRows(
  path: string,
  signal?: AbortSignal,
): AsyncGenerator<{ line: number; row: JsonObject }> {
  const file = await asyncBufferFromFile(path);
  const metadata = await refuseBroken(path, () => parquetMetadataAsync(file));
  const columns = parquetSchema(metadata)
    .children.map((child) => child.element.name)
    .filter((name) => !unread.has(name));
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    stopIfAborted(signal);
    const rowEnd = rowStart + Number(group.num_rows);
    const range = { file, metadata, columns, compressors, rowStart, rowEnd };
    const rows: Record<string, unknown>[] = await refuseBroken(path, () => parquetReadObjects(range));
    for (const [index, row] of rows.entries()) {
      yield { line: rowStart + index + 1, row: jsonRow(row) };
    }
    rowStart = rowEnd;
  }
}

async function refuseBroken<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw new KvalError('bad-input', `${path} is not a readable parquet file: ${String(cause)}`, {
      cause,
      fix: 'Download or copy the file again; it may be cut off.',
    });
  }
}

function jsonRow(row: Record<string, unknown>): JsonObject {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, jsonValue(value)]));
}

/** Parquet's values as JSON: 64-bit integers as numbers where they are exact, dates as text, NaN as null. */
function jsonValue(value: unknown): Json {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(jsonValue);
  if (typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, jsonValue(inner)]));
  }
  return null;
}

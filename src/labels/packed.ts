import { deflateSync, inflateSync } from 'node:zlib';

const compressAbove = 2_048;

/** JSON as SQLite keeps it: text while it is small, deflated once it is large (build logs shrink tenfold). */
export type Packed = string | Buffer;

export function pack(value: unknown): Packed {
  const text = JSON.stringify(value);
  return text.length > compressAbove ? deflateSync(text) : text;
}

export function unpack(packed: Packed): unknown {
  return JSON.parse(typeof packed === 'string' ? packed : inflateSync(packed).toString('utf8'));
}

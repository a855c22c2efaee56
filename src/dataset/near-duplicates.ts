/**
 * Near-duplicate kernels: token shingles, MinHash (Broder 1997) banded for lookup, then Jaccard's measure of the shingles
 * themselves, so that a reported pair really is that alike.
 */
export class NearDuplicates {
  readonly #threshold: number;
  readonly #shingles: Uint32Array[] = [];
  readonly #buckets = new Map<number, number[]>();

  constructor(threshold = 0.85) {
    this.#threshold = threshold;
  }

  /** The earlier texts that are near-duplicates of this one, as numbers in the order of `add`; at most `limit`. */
  find(shingles: Uint32Array, limit = Number.POSITIVE_INFINITY): number[] {
    const seen = new Set<number>();
    const found: number[] = [];
    for (const key of bandsOf(shingles)) {
      for (const other of this.#buckets.get(key) ?? []) {
        if (seen.has(other)) continue;
        seen.add(other);
        if (jaccard(shingles, this.#shingles[other] ?? new Uint32Array()) < this.#threshold) continue;
        found.push(other);
        if (found.length >= limit) return found;
      }
    }
    return found;
  }

  add(shingles: Uint32Array): number {
    const place = this.#shingles.push(shingles) - 1;
    for (const key of bandsOf(shingles)) {
      const bucket = this.#buckets.get(key);
      if (bucket === undefined) this.#buckets.set(key, [place]);
      else bucket.push(place);
    }
    return place;
  }
}

const shingleLength = 5;

/** Hashes of every run of five tokens, comments and layout left out; sorted, each once. */
export function shinglesOf(text: string): Uint32Array {
  const plain = text.replace(
    /\/\*(?:[\s\S]*?\*\/|[\s\S]*$)|\/\/[^\n]*|^[ \t]*#(?!\s*(include|define|if|endif|else|pragma))[^\n]*/gm,
    ' ',
  );
  const hashes = (plain.match(/[A-Za-z_]\w*|\d[\w.]*|[^\s\w]/g) ?? []).map(hashToken);
  const runs = new Set<number>();
  for (let start = 0; start === 0 || start + shingleLength <= hashes.length; start += 1) {
    let hash = 0;
    for (let offset = 0; offset < shingleLength; offset += 1)
      hash = Math.imul(hash, 0x01000193) ^ (hashes[start + offset] ?? 0);
    runs.add(mix(hash));
  }
  return Uint32Array.from(runs).sort();
}

function hashToken(token: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < token.length; index += 1) hash = Math.imul(hash ^ token.charCodeAt(index), 0x01000193);
  return hash;
}

function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Sixteen bands of six rows: a pair at 0.85 is missed once in two thousand times. */
const bands = 16;
const rowsPerBand = 6;
const salts = Uint32Array.from({ length: bands * rowsPerBand }, (_, index) => mix(0x9e3779b1 * (index + 1)) | 1);

function bandsOf(shingles: Uint32Array): number[] {
  const minima = new Uint32Array(salts.length).fill(0xffffffff);
  for (const shingle of shingles) {
    for (let index = 0; index < salts.length; index += 1) {
      const product = Math.imul(shingle ^ (salts[index] ?? 0), 0x9e3779b1);
      const hash = Math.imul(product ^ (product >>> 15), salts[index] ?? 1) >>> 0;
      if (hash < (minima[index] ?? 0)) minima[index] = hash;
    }
  }
  const keys: number[] = [];
  for (let band = 0; band < bands; band += 1) {
    let key = band;
    for (let row = 0; row < rowsPerBand; row += 1)
      key = mix(Math.imul(key, 31) ^ (minima[band * rowsPerBand + row] ?? 0));
    keys.push(key * bands + band);
  }
  return keys;
}

/** Share of common members of two sorted sets. */
export function jaccard(first: Uint32Array, second: Uint32Array): number {
  let common = 0;
  for (let a = 0, b = 0; a < first.length && b < second.length; ) {
    const left = first[a] ?? 0;
    const right = second[b] ?? 0;
    if (left === right) common += 1;
    if (left <= right) a += 1;
    if (right <= left) b += 1;
  }
  const union = first.length + second.length - common;
  return union === 0 ? 1 : common / union;
}

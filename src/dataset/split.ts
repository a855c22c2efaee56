import { sha256 } from '../problem.js';
import { NearDuplicates, shinglesOf } from './near-duplicates.js';
import type { LabelledExample } from './row.js';

export const splitNames = ['train', 'validation', 'test'] as const;
export type SplitName = (typeof splitNames)[number];
export type SplitKind = 'problem' | 'generator' | 'random';

export interface SplitOptions {
  readonly kind: SplitKind;
  readonly seed: number;
  readonly shares: { readonly validation: number; readonly test: number };
  /** Units (`level1/19`, or a generator's name) that go to the test split whatever the seed says. */
  readonly holdOut: readonly string[];
  /** From this share of common shingles on, two kernels are near-duplicates. */
  readonly nearDuplicate: number;
}

export interface SplitResult<E> {
  readonly rows: Readonly<Record<SplitName, readonly E[]>>;
  /** Rows taken out because a later split (test before validation before train) holds a near-duplicate. */
  readonly nearDuplicates: number;
  readonly units: Readonly<Record<SplitName, number>>;
}

/**
 * Divides examples so that what is asked in the test was never seen in training: whole units stay together, and no
 * near-duplicates stand on two sides. The result depends on the examples and the seed, not on their order.
 */
export function splitExamples<E extends LabelledExample>(
  examples: readonly E[],
  options: SplitOptions,
): SplitResult<E> {
  const shinglesByHash = new Map<string, Uint32Array>();
  const shinglesFor = ({ candidate }: E): Uint32Array => {
    const shingles = shinglesByHash.get(candidate.hash) ?? shinglesOf(candidate.source);
    shinglesByHash.set(candidate.hash, shingles);
    return shingles;
  };
  const units =
    options.kind === 'random'
      ? clusters(examples, shinglesFor, options.nearDuplicate)
      : namedUnits(examples, options.kind);
  const assigned = assign(units, examples.length, options);
  const rows: Record<SplitName, E[]> = { train: [], validation: [], test: [] };
  const counts: Record<SplitName, number> = { train: 0, validation: 0, test: 0 };
  for (const [unit, members] of units) {
    const name = assigned.get(unit) ?? 'train';
    for (const member of members) rows[name].push(member);
    counts[name] += 1;
  }
  const held = new NearDuplicates(options.nearDuplicate);
  let removed = 0;
  for (const name of ['test', 'validation', 'train'] as const) {
    const kept = rows[name].filter((example) => held.find(shinglesFor(example), 1).length === 0);
    removed += rows[name].length - kept.length;
    rows[name] = kept;
    if (name !== 'train') for (const example of kept) held.add(shinglesFor(example));
  }
  return { rows, nearDuplicates: removed, units: counts };
}

/** The number of an official problem is one unit in every set that has a version of it. */
export function problemUnit(problemId: string): string {
  return problemId.split('/').slice(-2).join('/');
}

function namedUnits<E extends LabelledExample>(
  examples: readonly E[],
  kind: 'problem' | 'generator',
): Map<string, E[]> {
  const units = new Map<string, E[]>();
  for (const example of examples) {
    const unit = kind === 'problem' ? problemUnit(example.problem.id) : example.candidate.generator;
    const members = units.get(unit);
    if (members === undefined) units.set(unit, [example]);
    else members.push(example);
  }
  return units;
}

/** For a random split: near-duplicates, and everything they are near-duplicates of, are one unit. */
function clusters<E extends LabelledExample>(
  examples: readonly E[],
  shinglesFor: (example: E) => Uint32Array,
  threshold: number,
): Map<string, E[]> {
  const index = new NearDuplicates(threshold);
  const hashes = [...new Set(examples.map((one) => one.candidate.hash))].sort();
  const byHash = new Map(examples.map((one) => [one.candidate.hash, one]));
  const parent = hashes.map((_, place) => place);
  const root = (place: number): number => {
    let at = place;
    while (parent[at] !== at) at = parent[at] ?? at;
    parent[place] = at;
    return at;
  };
  hashes.forEach((hash, place) => {
    const example = byHash.get(hash);
    if (example === undefined) return;
    const own = shinglesFor(example);
    for (const other of index.find(own)) {
      const [a, b] = [root(other), root(place)];
      parent[Math.max(a, b)] = Math.min(a, b);
    }
    index.add(own);
  });
  const unitOf = new Map(hashes.map((hash, place) => [hash, hashes[root(place)] ?? hash]));
  const units = new Map<string, E[]>();
  for (const example of examples) {
    const unit = unitOf.get(example.candidate.hash) ?? example.candidate.hash;
    const members = units.get(unit);
    if (members === undefined) units.set(unit, [example]);
    else members.push(example);
  }
  return units;
}

/** Units in the order of their hashes fill the test split, then validation, each to its share; the rest trains. */
function assign<E>(
  units: ReadonlyMap<string, readonly E[]>,
  total: number,
  options: SplitOptions,
): Map<string, SplitName> {
  const order = [...units.keys()]
    .map((unit) => ({ unit, rank: sha256(String(options.seed), unit) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .map((one) => one.unit);
  const assigned = new Map<string, SplitName>();
  const filled: Record<SplitName, number> = { train: 0, validation: 0, test: 0 };
  const put = (unit: string, name: SplitName): void => {
    assigned.set(unit, name);
    filled[name] += units.get(unit)?.length ?? 0;
  };
  for (const unit of order) if (options.holdOut.includes(unit)) put(unit, 'test');
  for (const name of ['test', 'validation'] as const) {
    const target = options.shares[name] * total;
    if (name === 'test' && options.holdOut.length > 0) continue;
    for (const unit of order) {
      const size = units.get(unit)?.length ?? 0;
      if (!assigned.has(unit) && filled[name] + size / 2 <= target) put(unit, name);
    }
    const smallest = order
      .filter((unit) => !assigned.has(unit))
      .sort((a, b) => (units.get(a)?.length ?? 0) - (units.get(b)?.length ?? 0));
    if (filled[name] === 0 && target > 0 && smallest[0] !== undefined && smallest.length > 1) put(smallest[0], name);
  }
  return assigned;
}

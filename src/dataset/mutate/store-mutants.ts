import type { Candidate } from '../../candidate.js';
import { KvalError } from '../../errors.js';
import { type CandidateWords, selectCandidates } from '../../labels/select.js';
import type { LabelStore } from '../../labels/store.js';
import { mutantSource, mutantsOf } from './mutate.js';
import { type Intent, intents, type Operator } from './operator.js';
import { operators } from './operators.js';

export interface StoreMutantsOptions {
  readonly parents: CandidateWords;
  readonly operators: readonly Operator[];
  readonly perCandidate: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
  /** Mutants made, of as many as there can be at most. */
  readonly onProgress?: (made: number, most: number) => void;
}

export interface StoreMutantsReport {
  readonly parents: number;
  /** Parents that a label calls failing: one more mistake in them teaches nothing. */
  readonly failing: number;
  readonly added: number;
  readonly already: number;
  readonly byOperator: ReadonlyMap<Operator, number>;
}

const putAtOnce = 100;

/** Makes mutants of candidates that are not mutants themselves and not known to fail, and keeps them beside their parents. */
export async function storeMutants(store: LabelStore, options: StoreMutantsOptions): Promise<StoreMutantsReport> {
  const failing = failingHashes(store);
  const chosen = selectCandidates(store, options.parents)
    .map(({ candidate }) => candidate)
    .filter((candidate) => candidate.origin.mutation === null);
  const parents = chosen.filter(({ hash }) => !failing.has(hash));
  const counts = { added: 0, already: 0 };
  const byOperator = new Map<Operator, number>();
  let waiting: Candidate[] = [];
  const keep = (): void => {
    const put = store.putCandidates(waiting.map((candidate) => ({ candidate, line: null, backend: null })));
    counts.added += put.added;
    counts.already += put.already;
    waiting = [];
  };
  for await (const { candidate, operator } of mutantsOf(parents, options)) {
    waiting.push(candidate);
    byOperator.set(operator, (byOperator.get(operator) ?? 0) + 1);
    if (waiting.length >= putAtOnce) keep();
    options.onProgress?.(counts.added + counts.already + waiting.length, parents.length * options.perCandidate);
  }
  keep();
  return { parents: parents.length, failing: chosen.length - parents.length, ...counts, byOperator };
}

function failingHashes(store: LabelStore): Set<string> {
  const hashes = new Set<string>();
  for (const { candidateHash, status, source } of store.list()) {
    if (source !== mutantSource && status !== 'correct' && status !== 'built') hashes.add(candidateHash);
  }
  return hashes;
}

/** The operators that words name: `all`, intents, or names, joined by commas. */
export function selectOperators(words: string): Operator[] {
  if (words === 'all') return [...operators];
  const wanted = words.split(',').map((word) => word.trim());
  const unknown = wanted.find((word) => !isIntent(word) && !operators.some((operator) => operator.name === word));
  if (unknown !== undefined) {
    throw new KvalError('not-found', `no operator and no intent is named "${unknown}"`, {
      fix: 'List them with `kval mutate --list`.',
    });
  }
  return operators.filter(({ name, intent }) => wanted.includes(name) || wanted.includes(intent));
}

function isIntent(word: string): word is Intent {
  return intents.some((intent) => intent === word);
}

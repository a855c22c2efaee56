import { KvalError } from '../errors.js';
import { officialSet, type Problem, parseProblemId, problemId, sha256 } from '../problem.js';
import type { Sighting } from './label.js';
import type { LabelStore } from './store.js';

/**
 * The problems that words name: `all`, a set (`starter`, `kernelbench`), a level (`level1`, `starter/level2`) or an id
 * (`level1/19`, `starter/level1/3`); several are joined by commas.
 */
export function selectProblems(store: LabelStore, words: string): Problem[] {
  const chosen = new Map<string, Problem>();
  for (const word of words.split(',').map((part) => part.trim())) {
    for (const problem of problemsOf(store, word)) chosen.set(problem.id, problem);
  }
  return [...chosen.values()];
}

function problemsOf(store: LabelStore, word: string): Problem[] {
  if (word === 'all') return store.problems();
  const level = /^(?:(?<set>[a-z0-9][a-z0-9._-]*)\/)?level(?<level>\d+)$/.exec(word);
  if (level !== null) {
    return some(store.problems({ set: level.groups?.set ?? officialSet, level: Number(level.groups?.level) }), word);
  }
  if (!/[/_]/.test(word)) return some(store.problems({ set: word }), word);
  const { set, level: number, number: index } = parseProblemId(word);
  const problem = store.problem(problemId(set, number, index));
  return some(problem === null ? [] : [problem], word);
}

function some(problems: Problem[], word: string): Problem[] {
  if (problems.length > 0) return problems;
  throw new KvalError('not-found', `no problem is named "${word}"`, {
    fix: 'List them with `kval problems list`; bring the official ones in with `kval problems import <path>`.',
  });
}

export interface CandidateWords {
  /** `all`, or generators, sources, or beginnings of candidate hashes, joined by commas. */
  readonly words: string;
  /** Only candidates for these problems. */
  readonly problems?: readonly Problem[];
  /** At most this many, a random sample decided by `seed`. */
  readonly limit?: number;
  readonly seed?: number;
}

/** Candidates that words name, each once for each problem it was proposed for. */
export function selectCandidates(store: LabelStore, { words, problems, limit, seed = 1 }: CandidateWords): Sighting[] {
  const wanted = words === 'all' ? null : words.split(',').map((part) => part.trim());
  const ids = problems === undefined ? null : new Set(problems.map((problem) => problem.id));
  const found: Sighting[] = [];
  for (const sighting of store.candidates()) {
    const { hash, problemId: id, origin } = sighting.candidate;
    if (ids !== null && !ids.has(id)) continue;
    if (
      wanted?.some(
        (word) => word === origin.generator || word === origin.source || word === origin.run || isHashOf(word, hash),
      ) === false
    )
      continue;
    found.push(sighting);
  }
  if (found.length === 0) {
    throw new KvalError('not-found', `no candidate is named "${words}"${ids === null ? '' : ' at these problems'}`, {
      fix: 'Bring candidates in with `kval import <path>`.',
    });
  }
  if (limit === undefined || limit >= found.length) return found;
  const draw = ({ candidate }: Sighting): string => sha256(String(seed), candidate.hash, candidate.problemId);
  return found
    .map((sighting) => ({ sighting, drawn: draw(sighting) }))
    .sort((a, b) => (a.drawn < b.drawn ? -1 : 1))
    .slice(0, limit)
    .map(({ sighting }) => sighting);
}

function isHashOf(word: string, hash: string): boolean {
  return /^[0-9a-f]{6,64}$/.test(word) && hash.startsWith(word);
}

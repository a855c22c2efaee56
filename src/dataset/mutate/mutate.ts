import { type Node, Query } from 'web-tree-sitter';
import { type Candidate, makeCandidate } from '../../candidate.js';
import { sha256 } from '../../problem.js';
import { withoutExpectation } from '../row.js';
import { type Grammars, openGrammars } from './grammars.js';
import { functionOf, type Operator, type Pick, runsOnGpu } from './operator.js';
import { type CandidateText, type Edit, textsOf } from './texts.js';

export interface MutateOptions {
  readonly operators: readonly Operator[];
  /** At most this many mutants of each candidate. */
  readonly perCandidate: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

export interface Mutant {
  readonly candidate: Candidate;
  readonly operator: Operator;
}

/** What stands in `origin.source` of every mutant. */
export const mutantSource = 'kval mutate';

/**
 * Mutants of candidates: one change each, by an operator at a place that the seed chooses. An operator that has made
 * fewer mutants so far comes first, so that rare ones get their share. The same candidates, operators and seed give the
 * same mutants. No mutant equals its parent or another mutant of the same problem.
 */
export async function* mutantsOf(
  candidates: readonly Candidate[],
  { operators, perCandidate, seed, signal }: MutateOptions,
): AsyncGenerator<Mutant> {
  const grammars = await openGrammars();
  const made = operators.map((operator) => ({ operator, query: queryOf(operator, grammars), mutants: 0 }));
  const seen = new Set(candidates.map((parent) => keyOf(parent.problemId, parent.hash)));
  try {
    for (const parent of candidates) {
      signal?.throwIfAborted();
      const source = withoutExpectation(parent.source);
      const texts = readTexts(parent, source, grammars);
      const waiting = new Map<string, Change[]>();
      const nextOf = ({ operator, query }: (typeof made)[number]): Change | undefined => {
        const changes = waiting.get(operator.name) ?? changesOf(texts, operator, query, parent, seed);
        waiting.set(operator.name, changes);
        return changes.shift();
      };
      try {
        for (let left = perCandidate; left > 0; ) {
          const found = rarestFirst(made, nextOf);
          if (found === null) break;
          const { operator } = found.by;
          const candidate = mutantBy(parent, source, found.change, operator, seed);
          const key = keyOf(candidate.problemId, candidate.hash);
          if (seen.has(key)) continue;
          seen.add(key);
          found.by.mutants += 1;
          left -= 1;
          yield { candidate, operator };
        }
      } finally {
        for (const { free } of texts) free();
      }
    }
  } finally {
    for (const { query } of made) query.delete();
  }
}

/** A change by the operator that has made the fewest mutants among those that have one left. */
function rarestFirst<By extends { readonly mutants: number }>(
  made: readonly By[],
  nextOf: (by: By) => Change | undefined,
): { by: By; change: Change } | null {
  for (const by of [...made].sort((a, b) => a.mutants - b.mutants)) {
    const change = nextOf(by);
    if (change !== undefined) return { by, change };
  }
  return null;
}

function keyOf(problemId: string, hash: string): string {
  return `${problemId} ${hash}`;
}

function queryOf({ text, query }: Operator, grammars: Grammars): Query {
  return new Query(text === 'python' ? grammars.python : grammars.cuda, query);
}

interface ParsedText extends CandidateText {
  readonly root: Node;
  readonly free: () => void;
}

function readTexts(candidate: Candidate, source: string, grammars: Grammars): ParsedText[] {
  return textsOf(candidate, source, grammars).map((text) => {
    const tree = grammars.parse(text.text, text.role === 'python' ? grammars.python : grammars.cuda);
    return { ...text, root: tree.rootNode, free: () => tree.delete() };
  });
}

interface Change {
  readonly edits: readonly Edit[];
  /** Its place in the order that the seed draws. */
  readonly nth: number;
}

/** Every change that an operator can make to a candidate's file, in the order that the seed draws. */
function changesOf(
  texts: readonly ParsedText[],
  operator: Operator,
  query: Query,
  parent: Candidate,
  seed: number,
): Change[] {
  const changes = texts
    .filter(({ role }) => role === operator.text)
    .flatMap((text) =>
      query.matches(text.root).flatMap(({ captures }) => {
        const it = captures.find(({ name }) => name === 'it')?.node;
        if (it === undefined || !isWithin(it, operator)) return [];
        const pick = picker(String(seed), parent.hash, operator.name, String(it.startIndex));
        const edits = operator.edit(it, pick).map((edit) => text.inFile(edit));
        return edits.length > 0 && edits.every((edit) => edit !== null) ? [edits] : [];
      }),
    );
  const drawn = changes.map((edits, place) => ({
    edits,
    rank: sha256(String(seed), parent.hash, operator.name, String(place)),
  }));
  return drawn.sort((a, b) => (a.rank < b.rank ? -1 : 1)).map(({ edits }, nth) => ({ edits, nth }));
}

function isWithin(node: Node, { within }: Operator): boolean {
  if (within === undefined) return true;
  const definition = functionOf(node);
  return definition !== null && runsOnGpu(definition) === (within === 'kernel');
}

function picker(...key: readonly string[]): Pick {
  let drawn = 0;
  return (options) => {
    drawn += 1;
    const number = Number.parseInt(sha256(...key, String(drawn)).slice(0, 8), 16);
    return options[number % options.length] ?? options[0];
  };
}

/**
 * Parent, operator, seed and `sample`, the place in the seed's order, name a mutant. Who wrote the parent wrote the mutant
 * too, so that a split by generator keeps the two together.
 */
function mutantBy(
  parent: Candidate,
  source: string,
  { edits, nth }: Change,
  operator: Operator,
  seed: number,
): Candidate {
  return makeCandidate({
    source: applied(source, edits),
    language: parent.language,
    problemId: parent.problemId,
    origin: {
      generator: parent.origin.generator,
      run: 'mutate',
      sample: nth,
      source: mutantSource,
      parent: parent.hash,
      mutation: `${operator.name} ${seed}`,
    },
  });
}

/** The last change first, so that the positions of the others stay right. */
export function applied(source: string, edits: readonly Edit[]): string {
  return [...edits]
    .sort((a, b) => b.start - a.start || b.end - a.end)
    .reduce((text, { start, end, text: inserted }) => text.slice(0, start) + inserted + text.slice(end), source);
}

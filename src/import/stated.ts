import type { Problem } from '../problem.js';
import type { RowContext } from './candidate-row.js';

export const candidateFormats = [
  'auto',
  'runs',
  'detailed',
  'results',
  'jsonl',
  'json',
  'parquet',
  'source',
  'files',
] as const;
/** `files` takes every source file of a folder, whatever else is in it; the others name one layout. */
export type CandidateFormat = (typeof candidateFormats)[number];

/** What the caller says about a whole import; each wins over what the files say. */
export interface Stated {
  readonly set: string | null;
  readonly problemId: string | null;
  readonly level: number | null;
  readonly source: string | null;
  readonly run: string | null;
  readonly generator: string | null;
  readonly signal: AbortSignal | undefined;
  /** Problem ids by the problem's file name without its ending: `19_ReLU`. */
  readonly named: ReadonlyMap<string, string>;
}

/** `19_ReLU` -> `level1/19`; a name that two problems share names none. */
export function idsByFileName(problems: readonly Problem[]): ReadonlyMap<string, string> {
  const ids = new Map<string, string>();
  const shared = new Set<string>();
  for (const { id, number, name } of problems) {
    const file = `${number}_${name}`;
    if (ids.has(file) && ids.get(file) !== id) shared.add(file);
    ids.set(file, id);
  }
  for (const file of shared) ids.delete(file);
  return ids;
}

/** The context of the rows of one table; `name` stands in for what nobody states. */
export function rowContext(stated: Stated, name: string): RowContext {
  return {
    source: stated.source ?? name,
    run: stated.run ?? name,
    level: stated.level,
    set: stated.set,
    problemId: stated.problemId,
    generator: stated.generator,
  };
}

import type { DatasetRow } from './row.js';
import { problemUnit } from './split.js';

export interface Prior {
  readonly compiled: number | null;
  readonly correct: number | null;
}

/** What the training split alone says of a problem, without a look at the kernel: the least that a simulator must beat. */
export interface Priors {
  readonly majority: { readonly compiled: boolean | null; readonly correct: boolean | null };
  /** Shares among the kernels of this problem, else of its level, else of all. */
  of(problem: { readonly id: string; readonly level: number }): Prior;
}

export async function priorsOf(rows: AsyncIterable<DatasetRow> | Iterable<DatasetRow>): Promise<Priors> {
  const tallies = new Map<string, Tally>();
  const add = (key: string, row: DatasetRow): void => {
    const tally = tallies.get(key) ?? { compiled: 0, rows: 0, correct: 0, judged: 0 };
    const correct = row.label.compiled ? row.label.correct : false;
    tallies.set(key, {
      rows: tally.rows + 1,
      compiled: tally.compiled + Number(row.label.compiled),
      judged: tally.judged + Number(correct !== null),
      correct: tally.correct + Number(correct === true),
    });
  };
  for await (const row of rows) {
    add('', row);
    add(`level ${row.problem.level}`, row);
    add(problemUnit(row.problem.id), row);
  }
  const all = tallies.get('');
  return {
    majority: { compiled: most(all?.compiled, all?.rows), correct: most(all?.correct, all?.judged) },
    of(problem) {
      const chain = [tallies.get(problemUnit(problem.id)), tallies.get(`level ${problem.level}`), all];
      const judged = chain.find((tally) => tally !== undefined && tally.judged > 0);
      const seen = chain.find((tally) => tally !== undefined);
      return {
        compiled: seen === undefined ? null : seen.compiled / seen.rows,
        correct: judged === undefined ? null : judged.correct / judged.judged,
      };
    },
  };
}

interface Tally {
  readonly rows: number;
  readonly compiled: number;
  readonly judged: number;
  readonly correct: number;
}

function most(yes: number | undefined, rows: number | undefined): boolean | null {
  return yes === undefined || rows === undefined || rows === 0 ? null : yes * 2 >= rows;
}

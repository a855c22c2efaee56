import { type BuildAgreement, measureAgreement } from './build-agreement.js';
import { type Fold, splits } from './folds.js';
import { type Guess, heads } from './predict.js';
import type { CorpusRow } from './rows.js';
import { measureRuntimes, measureSpeedups, type RuntimeFigures, type SpeedupFigures } from './time-figures.js';
import { compareVerdicts, measureVerdicts, type VerdictFigures } from './verdict-figures.js';

export interface EmbeddedFigures {
  readonly rows: Readonly<Record<'judged' | 'judgedCompiled' | 'learnedFromOnly' | 'builtByKval', number>>;
  readonly tables: Readonly<Record<string, VerdictFigures | RuntimeFigures | SpeedupFigures | null>>;
  readonly buildFirst: BuildAgreement;
}

/** All figures: of both kinds of split, of speed-ups, and of kval's own builds. */
export function measure(
  guesses: readonly Guess[],
  folds: readonly Fold[],
  rows: readonly CorpusRow[],
): EmbeddedFigures {
  const tables: Record<string, EmbeddedFigures['tables'][string]> = {};
  for (const split of splits) {
    const those = guesses.filter((one) => one.split === split);
    for (const head of heads) tables[`${split}-disjoint ${head}`] = compareVerdicts(those, head);
    const told = those.flatMap(({ correctOnceBuilt, ...one }) =>
      correctOnceBuilt === null ? [] : [{ ...one, correctOnceBuilt }],
    );
    tables[`${split}-disjoint correct, known whether it compiles`] = measureVerdicts(
      told,
      ({ row }) => row.correct,
      (one) => one.correctGivenCompiled,
    );
    tables[`${split}-disjoint correct, told what the build said`] = measureVerdicts(
      told,
      ({ row }) => row.correct,
      (one) => one.correctOnceBuilt,
    );
    tables[`${split}-disjoint compiled, CUDA faults counted as not compiled`] = measureVerdicts(
      those,
      ({ row }) => row.compiled ?? false,
      ({ compiled }) => compiled.model,
    );
    tables[`${split}-disjoint ran, of those compiled and wrong`] = measureVerdicts(
      those,
      ({ row }) => row.ran,
      (one) => one.ranOnceWrong,
    );
    tables[`${split}-disjoint runtime`] = measureRuntimes(those);
  }
  tables['problem-disjoint speed-up'] = measureSpeedups(folds, rows);
  return { rows: countsOf(rows), tables, buildFirst: measureAgreement(rows) };
}

function countsOf(rows: readonly CorpusRow[]): EmbeddedFigures['rows'] {
  const judged = rows.filter((row) => row.split === 'test');
  const learned = rows.filter((row) => row.split === 'train');
  return {
    judged: judged.length,
    judgedCompiled: judged.filter((row) => row.compiled !== null).length,
    learnedFromOnly: learned.filter((row) => row.compiled !== null).length,
    builtByKval: learned.filter((row) => row.built !== null).length,
  };
}

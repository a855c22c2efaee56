import { calibrated } from '../../src/simulator/calibration.js';
import { calibrateHead, outOfFold, Scored } from '../../src/tuning/fit-embedded.js';
import { at, type Fold } from './folds.js';
import type { CorpusRow } from './rows.js';

export const baselines = ['majority', 'prior', 'tfidf'] as const;
export const heads = ['compiled', 'correct'] as const;
export type Head = (typeof heads)[number];

/** What is said of one judged kernel by models and baselines that did not learn from it, as probabilities. */
export interface Guess extends Record<Head, Record<'model' | (typeof baselines)[number], number>> {
  readonly row: CorpusRow;
  readonly split: Fold['split'];
  readonly fold: string;
  /** That it is correct, once it is known whether it compiles. */
  readonly correctGivenCompiled: number;
  /** The same, told what the build said; null where no build is at hand. */
  readonly correctOnceBuilt: number | null;
  /** Whether the model that is trained for use would ask that of it. */
  readonly gainsByBuild: boolean;
  /** That it runs to its end, given that it compiles and is not correct. */
  readonly ranOnceWrong: number;
  readonly logRuntimeMs: readonly [low: number, median: number, high: number] | null;
}

/** Every judged kernel of a fold, calibrated on what held-out models said of the fold's training rows. */
export function predict(fold: Fold, rows: readonly CorpusRow[]): Guess[] {
  const { compiled, correct, correctOnceBuilt, ran, logRuntimeMs } = fold.heads;
  const learned = fold.learned.map((place) => at(rows, place)).filter((row) => row.split === 'test');
  const calibration = {
    compiled: calibrate(compiled.heldOut, rows, 'compiled'),
    correct: calibrate(correct.heldOut, rows, 'correct'),
    ran: calibrate(ran.heldOut, rows, 'ran'),
    onceBuilt: correctOnceBuilt === null ? null : calibrate(correctOnceBuilt.heldOut, rows, 'correct'),
  };
  const majority = { compiled: shareOf(learned, 'compiled'), correct: shareOf(learned, 'correct') };
  return fold.test.map((place, index) => {
    const row = at(rows, place);
    const pCompiled = calibrated(calibration.compiled, at(compiled.scores, index));
    const pGivenBuilt = calibrated(calibration.correct, at(correct.scores, index));
    const told = correctOnceBuilt === null ? null : at(correctOnceBuilt.scores, index);
    const others = (head: Head): Record<(typeof baselines)[number], number> => ({
      majority: majority[head],
      prior: shareOf(alike(learned, row), head),
      tfidf: at(fold.tfidf[head], index),
    });
    return {
      row,
      split: fold.split,
      fold: fold.fold,
      compiled: { model: pCompiled, ...others('compiled') },
      correct: { model: pCompiled * pGivenBuilt, ...others('correct') },
      ranOnceWrong: calibrated(calibration.ran, at(ran.scores, index)),
      gainsByBuild: fold.gainsByBuild,
      correctGivenCompiled: row.compiled === false ? 0 : pGivenBuilt,
      correctOnceBuilt:
        row.compiled === false
          ? 0
          : told === null || calibration.onceBuilt === null
            ? null
            : calibrated(calibration.onceBuilt, told),
      logRuntimeMs: logRuntimeMs === null ? null : at(logRuntimeMs, index),
    };
  });
}

/** A line of a predictions file, as `kval tune-policy` reads them. */
export function lineOf({ row, split, fold, compiled, correct, correctOnceBuilt, gainsByBuild }: Guess): string {
  return JSON.stringify({
    candidate: row.candidate,
    problem: row.unit,
    generator: row.generator,
    split,
    compiled: row.compiled,
    correct: row.correct,
    pCompiled: compiled.model,
    pCorrect: correct.model,
    pCorrectOnceBuilt: gainsByBuild ? correctOnceBuilt : null,
    fold,
  });
}

function calibrate(
  heldOut: Fold['heads']['correct']['heldOut'],
  rows: readonly CorpusRow[],
  head: Head | 'ran',
): ReturnType<typeof calibrateHead> {
  const truths = rows.map((row) => row[head]);
  return calibrateHead(new Scored(), outOfFold(heldOut, truths));
}

/** The kernels that the problem prior counts: of the same problem, else of the same level. */
function alike(learned: readonly CorpusRow[], row: CorpusRow): readonly CorpusRow[] {
  const same = learned.filter((one) => one.unit === row.unit);
  return same.length > 0 ? same : learned.filter((one) => one.level === row.level);
}

function shareOf(among: readonly CorpusRow[], head: Head): number {
  const known = among.filter((one) => one[head] !== null);
  return known.length === 0 ? 0.5 : known.filter((one) => one[head]).length / known.length;
}

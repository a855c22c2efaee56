import { clusteredBootstraps, type Interval } from '../../src/report/intervals.js';
import { lossesOf } from '../../src/report/losses.js';
import {
  accuracyOf,
  balancedAccuracyOf,
  confusionCounter,
  f1Of,
  precisionOf,
  recallOf,
  rocAucOf,
} from '../../src/report/metrics.js';
import { baselines, type Guess, type Head } from './predict.js';

/** How well a head was foretold; intervals resample problems. */
export interface VerdictFigures {
  readonly rows: number;
  readonly positives: number;
  readonly accuracy: number | null;
  readonly accuracyInterval: Interval | null;
  readonly f1: number | null;
  readonly f1Interval: Interval | null;
  readonly balancedAccuracy: number | null;
  readonly precision: number | null;
  readonly recall: number | null;
  readonly auc: number | null;
  readonly brier: number | null;
  readonly baselines?: Readonly<Record<string, VerdictFigures>>;
  readonly byGenerator?: Readonly<Record<string, VerdictFigures>>;
}

/** Of the model, beside the baselines on the same kernels, and the model on each generator's. */
export function compareVerdicts(guesses: readonly Guess[], head: Head): VerdictFigures {
  const truth = ({ row }: Guess): boolean | null => row[head];
  const model = (one: Guess): number => one[head].model;
  const known = guesses.filter((one) => truth(one) !== null);
  const generators = [...new Set(known.map(({ row }) => row.generator))].sort((a, b) => a.localeCompare(b));
  return {
    ...measureVerdicts(known, truth, model),
    baselines: Object.fromEntries(
      baselines.map((name) => [name, measureVerdicts(known, truth, (one) => one[head][name])]),
    ),
    byGenerator: Object.fromEntries(
      generators.map((name) => {
        const own = known.filter(({ row }) => row.generator === name);
        return [name, measureVerdicts(own, truth, model)];
      }),
    ),
  };
}

/** Of the kernels whose truth is known. */
export function measureVerdicts<One extends Guess>(
  guesses: readonly One[],
  truthOf: (one: One) => boolean | null,
  probabilityOf: (one: One) => number,
): VerdictFigures {
  const judged = guesses.flatMap((one) => {
    const truth = truthOf(one);
    return truth === null ? [] : [{ unit: one.row.unit, truth, probability: probabilityOf(one) }];
  });
  const count = confusionCounter(judged);
  const [accuracy, f1] = clusteredBootstraps(
    judged.map(({ unit }) => unit),
    (weights) => {
      const confusion = count(weights);
      return [accuracyOf(confusion), f1Of(confusion)];
    },
    { seed: 1 },
  );
  const confusion = count();
  return {
    rows: judged.length,
    positives: judged.filter(({ truth }) => truth).length,
    accuracy: accuracyOf(confusion),
    accuracyInterval: accuracy ?? null,
    f1: f1Of(confusion),
    f1Interval: f1 ?? null,
    balancedAccuracy: balancedAccuracyOf(confusion),
    precision: precisionOf(confusion),
    recall: recallOf(confusion),
    auc: rocAucOf(judged),
    brier: lossesOf(judged).brier,
  };
}

import { type Predicted, predictedOutcomes } from '../verdict.js';
import { predictionOf, type ReportCase, type ReportInput } from './input.js';
import { share } from './intervals.js';
import type { OutcomeSection } from './report-schema.js';

type PredictedOutcome = keyof NonNullable<Predicted['outcomes']>;

/** How often the likeliest of the five outcomes that a simulator tells apart is what happened; one entry a simulator that tells them. */
export function scoreOutcomes(input: ReportInput): OutcomeSection[] {
  return input.simulators.flatMap(({ id }) => {
    const pairs = input.cases.flatMap((one) => {
      const truth = outcomeOf(one.truth.status);
      const said = predictionOf(one, id)?.outcomes;
      return truth === null || said === undefined ? [] : [{ truth, told: likeliest(said) }];
    });
    const accuracy = share(pairs.filter(({ truth, told }) => truth === told).length, pairs.length);
    if (accuracy === null) return [];
    const rows = predictedOutcomes.map((truth) => ({
      truth,
      told: predictedOutcomes.map((told) => pairs.filter((pair) => pair.truth === truth && pair.told === told).length),
    }));
    return [{ simulator: id, n: pairs.length, accuracy, rows: rows.filter(({ told }) => told.some((n) => n > 0)) }];
  });
}

/** What a simulator may call it; null where nothing was executed, or time ran out. */
function outcomeOf(status: ReportCase['truth']['status']): PredictedOutcome | null {
  switch (status) {
    case 'load-error':
      return 'compile-error';
    case 'rejected':
      return 'mismatch';
    case 'timeout':
    case 'built':
    case null:
      return null;
    default:
      return status;
  }
}

function likeliest(chances: NonNullable<Predicted['outcomes']>): PredictedOutcome {
  return predictedOutcomes.reduce((best, one) => (chances[one] > chances[best] ? one : best));
}

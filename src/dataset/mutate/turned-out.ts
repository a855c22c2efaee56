import type { LabelStore } from '../../labels/store.js';
import { compiledOf, correctOf, type Outcome, type OutcomeStatus } from '../../verdict.js';
import { mutantSource } from './mutate.js';
import { type Intent, type Operator, operatorNameOf } from './operator.js';
import { operators } from './operators.js';

/** What the labelled mutants of one operator turned out to be, as against what it is meant to do. */
export interface TurnedOut {
  readonly operator: Operator;
  readonly labelled: number;
  readonly asIntended: number;
  readonly byStatus: Readonly<Partial<Record<OutcomeStatus, number>>>;
}

/** One entry for each operator that has a labelled mutant, in the order of the operators. */
export function turnedOut(store: LabelStore): TurnedOut[] {
  const tallies = new Map<string, { labelled: number; asIntended: number; byStatus: Map<OutcomeStatus, number> }>();
  const intentOf = new Map(operators.map(({ name, intent }) => [name, intent]));
  for (const { candidate, measured } of store.iterate({ source: mutantSource })) {
    const name = operatorNameOf(candidate.origin.mutation ?? '');
    const intent = intentOf.get(name);
    if (intent === undefined) continue;
    const tally = tallies.get(name) ?? { labelled: 0, asIntended: 0, byStatus: new Map() };
    const { status } = measured.outcome;
    tally.labelled += 1;
    tally.asIntended += Number(isAsIntended(intent, measured.outcome));
    tally.byStatus.set(status, (tally.byStatus.get(status) ?? 0) + 1);
    tallies.set(name, tally);
  }
  return operators.flatMap((operator) => {
    const tally = tallies.get(operator.name);
    return tally === undefined ? [] : [{ operator, ...tally, byStatus: Object.fromEntries(tally.byStatus) }];
  });
}

function isAsIntended(intent: Intent, outcome: Outcome): boolean {
  switch (intent) {
    case 'breaks-compile':
      return compiledOf(outcome) === false;
    case 'breaks-behaviour':
      return compiledOf(outcome) === true && correctOf(outcome) === false;
    case 'neutral':
    case 'speed':
      return correctOf(outcome) === true;
  }
}

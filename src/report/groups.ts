import { predictionOf, type ReportCase, type ReportInput } from './input.js';
import { share } from './intervals.js';
import { judge, type Known, type Target } from './judged.js';
import { lossesOf } from './losses.js';
import { accuracyOf, balancedAccuracyOf, confusionOf, f1Of, precisionOf, recallOf, rocAucOf } from './metrics.js';
import type { Dimension, Group } from './report-schema.js';

/** The same figures for parts of the kernels: where a simulator is good, and where it is not. */
export function groupsOf(input: ReportInput, target: Target, known: readonly Known[]): Record<Dimension, Group[]> {
  const of = (dimension: Dimension): Group[] => {
    const groups = new Map<string, Known[]>();
    for (const member of known) {
      const name = groupName(member.one, dimension);
      const members = groups.get(name) ?? [];
      members.push(member);
      groups.set(name, members);
    }
    const sorted = [...groups].sort(([a, left], [b, right]) =>
      dimension === 'level' || dimension === 'length'
        ? a.localeCompare(b, 'en', { numeric: true })
        : right.length - left.length || a.localeCompare(b, 'en'),
    );
    return sorted.map(([name, members]) => groupOf(name, members, input, target));
  };
  return {
    level: of('level'),
    family: of('family'),
    generator: of('generator'),
    mutation: of('mutation'),
    length: of('length'),
  };
}

function groupOf(name: string, members: readonly Known[], input: ReportInput, target: Target): Group {
  return {
    name,
    n: members.length,
    problems: new Set(members.map(({ one }) => one.problemId)).size,
    positives: members.filter(({ truth }) => truth).length,
    priorAccuracy: accuracyOf(confusionOf(judge(members, (one) => one.prior[target]).judged)),
    rows: input.simulators.map(({ id }) => {
      const { judged } = judge(members, (one) => predictionOf(one, id)?.[target] ?? null);
      const c = confusionOf(judged);
      return {
        simulator: id,
        n: judged.length,
        accuracy: share(c.truePositives + c.trueNegatives, judged.length),
        precision: precisionOf(c),
        recall: recallOf(c),
        f1: f1Of(c),
        balancedAccuracy: balancedAccuracyOf(c),
        auc: rocAucOf(judged),
        brier: lossesOf(judged).brier,
      };
    }),
  };
}

function groupName(one: ReportCase, dimension: Dimension): string {
  switch (dimension) {
    case 'level':
      return `level ${one.level}`;
    case 'family':
      return one.family ?? 'not named';
    case 'generator':
      return one.generator;
    case 'mutation':
      return one.mutation ?? 'not a mutant';
    case 'length':
      return lengthBin(one.length);
  }
}

/** Bins of doubling width, named so that they sort. */
function lengthBin(length: number): string {
  const bounds = [0, 1000, 2000, 4000, 8000, 16000];
  const above = bounds.findIndex((bound) => length < bound);
  if (above === -1) return '16,000 characters and more';
  return `${(bounds[above - 1] ?? 0).toLocaleString('en')} to ${(bounds[above] ?? 0).toLocaleString('en')} characters`;
}

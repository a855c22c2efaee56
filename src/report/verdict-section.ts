import { formatCounted } from './figures.js';
import { cheapest, frontierOf, thresholdsOf } from './frontier.js';
import { groupsOf } from './groups.js';
import { predictionOf, type ReportInput } from './input.js';
import { clusteredBootstraps, estimate, share } from './intervals.js';
import { type Answered, judge, type Known, type Target } from './judged.js';
import { lossMeter, reliabilityOf } from './losses.js';
import {
  accuracyOf,
  balancedAccuracyOf,
  confusionCounter,
  f1Of,
  type Judged,
  precisionOf,
  recallOf,
  rocAucMeter,
  rocCurveOf,
  totalOf,
  type Weights,
} from './metrics.js';
import type { VerdictRow, VerdictSection } from './report-schema.js';

/** A drawn line needs no more points. */
const mostPoints = 120;

/** Wrong final verdicts that somebody may want to bear. */
const wrongShares = [0.01, 0.02, 0.05, 0.1];

/** Below this, a figure is shown but flagged: its interval spans a third of the scale. */
export const fewKernels = 30;
export const fewProblems = 10;

/** How well `compiled` or `correct` was foretold: one row a simulator, one a baseline, all on the same kernels. */
export function scoreVerdicts(input: ReportInput, target: Target): VerdictSection {
  const known = input.cases.flatMap((one) => {
    const truth = one.truth[target];
    return truth === null ? [] : [{ one, truth }];
  });
  const positives = known.filter(({ truth }) => truth).length;
  const section = {
    target,
    positives,
    negatives: known.length - positives,
    unknown: input.cases.length - known.length,
    problems: new Set(known.map(({ one }) => one.problemId)).size,
  };
  const unmeasurable = whyNot(input, section);
  return {
    ...section,
    unmeasurable,
    notes: unmeasurable === null ? notesOn(input, section) : [],
    rows: unmeasurable === null ? rowsOf(input, target, known) : [],
    groups: groupsOf(input, target, unmeasurable === null ? known : []),
  };
}

type Counts = Pick<VerdictSection, 'target' | 'positives' | 'negatives' | 'unknown' | 'problems'>;

function whyNot(input: ReportInput, { target, positives, negatives, unknown }: Counts): string | null {
  if (input.cases.length === 0) return 'The test split holds no kernel.';
  if (!input.cases.some((one) => one.predictions.some((prediction) => prediction[target] !== null))) {
    return `No simulator says whether a kernel is ${target}: it was trained on labels that do not hold it.`;
  }
  if (target === 'correct' && positives === 0 && unknown > 0) {
    const rest = negatives === 0 ? '' : ` Of the other ${negatives} it is known only because they failed earlier.`;
    return `${unexecuted(input, unknown)}, so nobody knows whether they are right.${rest} Label them with a device (cuda or cpu) to measure this.`;
  }
  if (positives + negatives === 0) return `Of no kernel of the test split is it known whether it is ${target}.`;
  const all = positives + negatives;
  if (negatives === 0)
    return `All ${all} kernels are ${target}: whoever always says yes is right every time, so there is nothing to tell apart.`;
  if (positives === 0)
    return `None of the ${all} kernels is ${target}: whoever always says no is right every time, so there is nothing to tell apart.`;
  return null;
}

/** Our own labels say that a kernel was only built; published ones leave open what kept it from being judged. */
function unexecuted(input: ReportInput, unknown: number): string {
  const built = input.cases.filter(({ truth }) => truth.status === 'built').length;
  return built === unknown
    ? `${kernels(unknown)} built but ${unknown === 1 ? 'was' : 'were'} not executed`
    : `Of ${formatCounted(unknown, 'kernel')} the labels do not say whether ${unknown === 1 ? 'it is' : 'they are'} correct`;
}

function notesOn(input: ReportInput, { target, positives, negatives, unknown, problems }: Counts): string[] {
  const notes: string[] = [];
  if (positives + negatives < fewKernels) {
    notes.push(`Only ${formatCounted(positives + negatives, 'kernel')}: read the intervals, not the figures.`);
  } else if (Math.min(positives, negatives) < fewKernels) {
    const [few, which] = positives < negatives ? [positives, target] : [negatives, `not ${target}`];
    notes.push(
      `Only ${few} ${few === 1 ? 'kernel is' : 'kernels are'} ${which}: recall, F1 and AUC rest on those few.`,
    );
  }
  if (problems < fewProblems) {
    notes.push(
      `Only ${formatCounted(problems, 'problem')}: intervals that resample problems are rough${problems === 1 ? ', and left out' : ''}.`,
    );
  }
  if (unknown > 0) {
    notes.push(
      target === 'correct'
        ? `${unexecuted(input, unknown)}: left out here.`
        : `${kernels(unknown)} never came to compiling CUDA (no kernel of their own, or another backend): left out here.`,
    );
  }
  const partial = input.simulators.filter(({ id }) => input.cases.some((one) => predictionOf(one, id) === undefined));
  for (const { id } of partial) {
    const missing = input.cases.filter((one) => predictionOf(one, id) === undefined).length;
    notes.push(`${id} gave no answer for ${kernels(missing)}; its row is on the others.`);
  }
  return notes;
}

function rowsOf(input: ReportInput, target: Target, known: readonly Known[]): VerdictRow[] {
  const majority = input.majority[target];
  const rows = input.simulators.map(({ id }): VerdictRow => {
    const answered = judge(known, (one) => predictionOf(one, id)?.[target] ?? null);
    const row = { kind: 'simulator', id, name: id } as const;
    if (answered.judged.length === 0) return empty(row, `does not predict whether a kernel is ${target}`);
    return { ...scored(row, answered, input, majority), ...curves(answered.judged) };
  });
  const prior = judge(known, (one) => one.prior[target]);
  const priorRow = { kind: 'baseline', id: 'problem-prior', name: 'problem prior' } as const;
  rows.push(
    prior.judged.length === 0
      ? empty(priorRow, 'the training split knows nothing of these problems')
      : { ...scored(priorRow, prior, input, majority), ...curves(prior.judged) },
  );
  const majorityRow = {
    kind: 'baseline',
    id: 'majority',
    name: `always "${majority === false ? 'no' : 'yes'}"`,
  } as const;
  if (majority === null)
    rows.push(empty({ ...majorityRow, name: 'majority' }, 'the training split holds no such label'));
  else {
    const row = scored(
      majorityRow,
      judge(known, () => (majority ? 1 : 0)),
      input,
      null,
    );
    if (row.scores !== null) Object.assign(row.scores, { brier: null, logLoss: null, expectedCalibrationError: null });
    rows.push({ ...row, ...noCurves });
  }
  return rows;
}

type RowName = Pick<VerdictRow, 'kind' | 'id' | 'name'>;
const noCurves = { reliability: [], roc: [], frontier: [], operating: [] };

function empty(row: RowName, reason: string): VerdictRow {
  return { ...row, n: 0, scores: null, reason, ...noCurves };
}

type Curves = Pick<VerdictRow, 'reliability' | 'roc' | 'frontier' | 'operating'>;

function curves(judged: readonly Judged[]): Curves {
  const rows = judged.map(({ truth, probability }) => ({ p: probability, truth }));
  const frontier = frontierOf(rows, thresholdsOf(rows));
  const stride = Math.ceil(frontier.length / mostPoints);
  return {
    reliability: [...reliabilityOf(judged)],
    roc: [...rocCurveOf(judged)],
    frontier: frontier.filter((_, index) => index === frontier.length - 1 || index % stride === 0),
    operating: wrongShares.map((wrongAtMost) => ({ wrongAtMost, point: cheapest(frontier, wrongAtMost) })),
  };
}

function scored(
  row: RowName,
  { judged, problems }: Answered,
  input: ReportInput,
  majority: boolean | null,
): VerdictRow {
  const count = confusionCounter(judged);
  const countGuess = confusionCounter(judged.map(({ truth }) => ({ truth, probability: majority ? 1 : 0 })));
  const area = rocAucMeter(judged);
  const losses = lossMeter(judged);
  const measure = (weights?: Weights): (number | null)[] => {
    const counted = count(weights);
    const own = accuracyOf(counted);
    const guessed = majority === null ? null : accuracyOf(countGuess(weights));
    const { brier, logLoss, calibrationError } = losses(weights);
    const gain = own === null || guessed === null ? null : own - guessed;
    return [f1Of(counted), balancedAccuracyOf(counted), area(weights), gain, brier, logLoss, calibrationError];
  };
  const intervals = clusteredBootstraps(problems, measure, { seed: input.split.seed });
  const estimates = measure().map((value, index) => estimate(value, intervals[index] ?? null));
  const [f1 = null, balancedAccuracy = null, auc = null, overMajority = null] = estimates;
  const [brier = null, logLoss = null, expectedCalibrationError = null] = estimates.slice(4);
  const c = count();
  const n = totalOf(c);
  return {
    ...row,
    n,
    reason: null,
    ...noCurves,
    scores: {
      confusion: { ...c },
      accuracy: share(c.truePositives + c.trueNegatives, n) ?? { value: 0, low: null, high: null },
      precision: precisionOf(c) === null ? null : share(c.truePositives, c.truePositives + c.falsePositives),
      recall: recallOf(c) === null ? null : share(c.truePositives, c.truePositives + c.falseNegatives),
      f1,
      balancedAccuracy,
      auc,
      brier,
      logLoss,
      expectedCalibrationError,
      overMajority,
    },
  };
}

function kernels(n: number): string {
  return n === 1 ? 'One kernel' : `${n.toLocaleString('en')} kernels`;
}

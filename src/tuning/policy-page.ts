import { curvePlot } from '../report/curve-plot.js';
import { formatCount, formatPercent } from '../report/figures.js';
import { legend, page, plot, table } from '../report/page.js';
import { number, text } from '../report/tables.js';
import { policyNames } from '../validator/policy.js';
import type { HeldOutEstimate, TunedMode } from './frontier.js';
import { type ModeResult, reached, type SplitResult, type TunedPolicies, wantedWithoutExecution } from './policy.js';

export const modeWords: Record<TunedMode, string> = {
  confidence: 'simulator alone',
  'build-first': 'build first',
  'build-first-two': 'two thresholds',
};

export const policyColumns = [
  'split',
  'mode',
  'executes',
  'wrong, % (95%)',
  'no execution, % (95%)',
  'reached',
] as const;

/** A row for each way of mixing, all figures on held-out problems. */
export function policyRows({ splits, maxError }: TunedPolicies): string[][] {
  return splits.flatMap(({ split, modes }) =>
    modes.map((mode) => [
      split,
      modeWords[mode.mode],
      rounded(mode),
      estimate(mode.heldOut.wrong),
      estimate(mode.heldOut.noExecution),
      reached(mode, maxError),
    ]),
  );
}

/** What was wanted, and whether it was reached on the split. */
export function policyVerdict(split: SplitResult, maxError: number): string {
  const wanted = `at most ${formatPercent(maxError, '%')} wrong with at least ${formatPercent(wantedWithoutExecution, '%')} not executed`;
  const found = split.modes.flatMap((mode) => {
    const how = reached(mode, maxError);
    return how === 'no' ? [] : [`${modeWords[mode.mode]}${how === 'surely' ? ' (surely, at 95%)' : ''}`];
  });
  const by = found.length > 0 ? `reached by ${found.join(' and by ')}` : 'not reached';
  return `Split by ${split.split} (${formatCount(split.kernels)} kernels of ${formatCount(split.problems)} problems, ${formatCount(split.leftOut)} left out): ${wanted}: ${by}.`;
}

/** The frontiers as a page of its own. */
export function renderPolicyPage(tuned: TunedPolicies, kval: string): string {
  const { splits, maxError, aim, folds, source } = tuned;
  const [first] = splits;
  const frontiers = `${legend(first?.modes.map(({ mode }, series) => ({ name: modeWords[mode], series })) ?? [])}
<div class="plots">${splits.map((split) => frontierFigure(split, maxError)).join('')}</div>`;
  const heldOut = table({
    title: 'On held-out problems',
    columns: policyColumns.map((name, index) => (index < 3 ? text(name) : number(name))),
    rows: policyRows(tuned).map((cells) => ({ kind: 'plain', cells })),
    notes: [
      `A verdict is wrong where compiled or correct, as the mixture ends up saying, is not what the label says. Thresholds for each of ${folds} folds of problems were chosen on the other folds, by the rule (wrong + thresholds) / (kernels + 1) <= ${aim}; the policy itself is chosen on all kernels. Intervals resample whole problems; surely means that both whole intervals are as wanted. The simulator alone leaves building and executing to the harness where it is less sure than the threshold; the other two build every kernel, so that one whose build fails needs no execution.`,
    ],
  });
  return page({
    brand: 'kval tune-policy',
    title: 'How much execution does a wanted error cost?',
    headline: [
      `Predictions of ${source}, replayed against the labels.`,
      ...splits.map((split) => policyVerdict(split, maxError)),
    ],
    figures: [],
    sections: [
      { id: 'frontier', name: 'Error against execution', body: frontiers },
      { id: 'held-out', name: 'What the thresholds are worth', body: heldOut },
    ],
    generatedBy: { kval },
  });
}

function frontierFigure({ split, modes, kernels, failedBuilds }: SplitResult, maxError: number): string {
  const most = Math.max(4 * maxError, 0.1);
  const turned = ({ interval }: HeldOutEstimate) =>
    interval === null ? null : { low: 1 - interval.high, high: 1 - interval.low };
  const picture = curvePlot({
    label: `Wrong verdicts against the share of kernels executed, split by ${split}. ${modes.map(({ mode, heldOut }) => `${modeWords[mode]}: ${formatPercent(heldOut.wrong.value, '%')} wrong with ${formatPercent(1 - heldOut.noExecution.value, '%')} executed`).join('; ')}.`,
    xTitle: 'kernels executed, %',
    yTitle: 'wrong final verdicts, %',
    xDomain: [0, 1],
    yDomain: [0, most],
    xTick: (value) => String(Math.round(value * 100)),
    yTick: (value) => String(Number((value * 100).toFixed(1))),
    curves: modes.map(({ mode, frontier }, series) => ({
      name: modeWords[mode],
      series,
      points: frontier
        .filter(({ wrong }) => wrong <= most)
        .map(({ wrong, noExecution }) => ({ x: 1 - noExecution, y: wrong })),
    })),
    marks: modes.map(({ mode, heldOut }, series) => ({
      name: `${modeWords[mode]}, on held-out problems`,
      series,
      x: 1 - heldOut.noExecution.value,
      y: heldOut.wrong.value,
      xRange: turned(heldOut.noExecution),
      yRange: heldOut.wrong.interval,
    })),
    limits: [
      { axis: 'y', at: maxError, word: 'wanted error' },
      { axis: 'x', at: 1 - wantedWithoutExecution, word: 'half executed' },
    ],
  });
  const failed = `${formatPercent(failedBuilds / kernels, '%')} of the kernels do not compile.`;
  return plot(
    `Split by ${split}`,
    picture,
    `Lines: thresholds chosen and measured on the same kernels. Marks: chosen on other problems, with 95% intervals. ${failed}`,
  );
}

/** What is left to the harness, with as many digits as a table needs. */
function rounded({ policy }: ModeResult): string {
  const [escalate = ''] = policyNames({ ...policy, buildFirst: false });
  return escalate.replace('escalate ', '').replace(/\d\.\d{4,}/g, (number) => Number(number).toFixed(3));
}

function estimate({ value, interval }: HeldOutEstimate): string {
  const bounds = interval === null ? '' : ` (${formatPercent(interval.low)} to ${formatPercent(interval.high)})`;
  return `${formatPercent(value)}${bounds}`;
}

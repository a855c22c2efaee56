import { curvePlot } from '../../src/report/curve-plot.js';
import { formatMs, formatPercent } from '../../src/report/figures.js';
import { averageOf } from '../../src/report/metrics.js';
import { legend, page, plot, table } from '../../src/report/page.js';
import { number, text } from '../../src/report/tables.js';
import { type ArmSummary, columns, rowsOf } from './summary.js';
import type { Run } from './train.js';

interface About {
  readonly kval: string;
  readonly command: string;
  readonly machine: { readonly cpu: string; readonly cores: number };
  readonly simulator: { readonly model: string; readonly trainedOn: string; readonly labelledMs: number };
  readonly settings: {
    readonly steps: number;
    readonly seeds: number;
    readonly group: number;
    readonly kernels: number;
    readonly problems: readonly string[];
  };
}

/** The paper's three curves: what the agents become, what a step takes, what all steps take. */
export function renderCurves(runs: readonly Run[], summary: readonly ArmSummary[], about: About): string {
  const { settings, simulator, machine } = about;
  const arms = summary.map(({ arm }, series) => ({ arm, series, runs: runs.filter((run) => run.arm === arm) }));
  const percent = (value: number): string => String(Math.round(value * 100));
  const whole = (value: number): string => String(Math.round(value));
  const minutes = (value: number): string => String(Number(value.toFixed(1)));
  const quality = curvePlot({
    label: `Share of correct kernels by step. At the end: ${summary.map(({ arm, correct }) => `${arm} ${formatPercent(correct.mean, '%')}`).join(', ')}.`,
    xTitle: 'step',
    yTitle: 'correct by real verdicts, %',
    xDomain: [0, settings.steps],
    yDomain: [0, 1],
    xTick: whole,
    yTick: percent,
    curves: arms.map(({ arm, series, runs: own }) => ({
      name: arm,
      series,
      points: qualityOf(own).map(({ step, y }) => ({ x: step, y })),
    })),
  });
  const stepSeconds = arms.map(({ arm, series, runs: own }) => ({ name: arm, series, points: secondsOf(own) }));
  const perStep = curvePlot({
    label: `Seconds of one worker by step. Means: ${summary.map(({ arm, stepMs }) => `${arm} ${formatMs(stepMs)}`).join(', ')}.`,
    xTitle: 'step',
    yTitle: 'a step takes, s of one worker',
    xDomain: [0, settings.steps],
    yDomain: [0, topOf(stepSeconds.flatMap(({ points }) => points.map(({ y }) => y)))],
    xTick: whole,
    yTick: whole,
    curves: stepSeconds,
  });
  const totals = arms.map(({ arm, series, runs: own }) => {
    const reached = [0, ...cumulated(secondsOf(own).map(({ y }) => y / 60))];
    return {
      name: arm,
      series,
      points: [{ step: 0, y: null }, ...qualityOf(own)].flatMap(({ step, y }) =>
        y === null ? [] : [{ x: reached[step] ?? 0, y }],
      ),
    };
  });
  const total = curvePlot({
    label: `Share of correct kernels by time. In all: ${summary.map(({ arm, totalMs }) => `${arm} ${formatMs(totalMs)}`).join(', ')}.`,
    xTitle: 'time of all steps so far, min of one worker',
    yTitle: 'correct by real verdicts, %',
    xDomain: [0, topOf(totals.flatMap(({ points }) => points.map(({ x }) => x)))],
    yDomain: [0, 1],
    xTick: minutes,
    yTick: percent,
    curves: totals,
    marks: totals.flatMap(({ name, series, points }) =>
      points.slice(-1).map((end) => ({ name: `${name}, at the end`, series, ...end, xRange: null, yRange: null })),
    ),
  });
  const curves = `${legend(summary.map(({ arm }, series) => ({ name: arm, series })))}
<div class="plots">${plot('What the agents become', quality, 'Mean over seeds; fresh samples, real verdicts, not billed.')}${plot('What a step takes', perStep, 'Mean over seeds, and over five steps.')}${plot('What it takes in all', total, 'The first curve against the time of all steps so far.')}</div>`;
  const end = table({
    title: 'At the end',
    columns: columns.map((name, index) => (index === 0 ? text(name) : number(name))),
    rows: rowsOf(summary).map((cells) => ({ kind: 'plain', cells })),
    notes: [`In brackets: worst and best seed. Made by ${about.command} on ${machine.cores} cores of ${machine.cpu}.`],
  });
  return page({
    brand: 'kval bench:rl',
    title: 'Agents that learned from real, simulated and mixed verdicts',
    headline: [
      `${settings.steps} steps of REINFORCE, ${settings.group} kernels for each of ${settings.problems.length} problems in a step, ${settings.seeds} seeds; at the end all are judged by real verdicts alone.`,
      `The agents may write ${settings.kernels} different kernels${settings.kernels < 96 * settings.problems.length ? ` of ${96 * settings.problems.length}: those whose real verdicts had been measured` : ''}.`,
      'An agent chooses a family, a block size, and whether to make one of three mistakes of logic and one of three of syntax. It is a softmax over each choice, not a language model: the curves show what a judge teaches, not how well one can write kernels.',
      'The device is cpu, where nothing is timed: the reward is 0.2 for compiling and 0.8 for being right, and nothing for speed; a prediction earns what it expects.',
      'Times are those of one worker, as measured when each verdict was first made, and counted at every use, as if every kernel were new; "with a store" counts each kernel once in a run. Other work shared the machine while they were measured.',
      `The simulator (${simulator.model}) learned from ${simulator.trainedOn}; labelling those took ${formatMs(simulator.labelledMs)} of one worker, which no curve contains. The weak one says of everything that it is well, and is sure of it.`,
    ],
    figures: [],
    sections: [
      { id: 'curves', name: 'Three curves', body: curves },
      { id: 'end', name: 'At the end', body: end },
    ],
    generatedBy: { kval: about.kval },
  });
}

function qualityOf(runs: readonly Run[]): { step: number; y: number }[] {
  const [first] = runs;
  return (first?.checkpoints ?? []).map(({ step }, index) => ({
    step,
    y: averageOf(runs.map(({ checkpoints }) => checkpoints[index]?.correct ?? 0)) ?? 0,
  }));
}

/** Means over seeds and over the five steps around, so that the lines can be told apart. */
function secondsOf(runs: readonly Run[]): { x: number; y: number }[] {
  const [first] = runs;
  return (first?.steps ?? []).map((_, step) => {
    const around = runs.flatMap(({ steps }) => steps.slice(Math.max(0, step - 2), step + 3));
    return { x: step + 1, y: (averageOf(around.map(({ coldMs }) => coldMs)) ?? 0) / 1000 };
  });
}

function cumulated(values: readonly number[]): number[] {
  let sum = 0;
  return values.map((value) => {
    sum += value;
    return sum;
  });
}

function topOf(values: readonly number[]): number {
  return Math.max(1e-3, ...values) * 1.05;
}

import { type Candidate, settingsSchema } from '../../candidate.js';
import type { PublishedRecord } from '../../labels/label.js';
import type { LabelStore } from '../../labels/store.js';
import { officialSet, parseProblemId } from '../../problem.js';
import type { Validator } from '../../validator/validator.js';
import { compiledOf, correctOf, type Measured, type Predicted } from '../../verdict.js';
import { formatCounted } from '../figures.js';
import { simulatorName } from '../held-out.js';
import { threshold } from '../metrics.js';
import type { AgentCase, AgentReportInput, Judge } from './agent-report.js';
import type { Baseline } from './baseline.js';
import type { AgentVerdict } from './score.js';

/** A kernel of a run, with what its publisher says of it. */
export interface RunKernel {
  readonly candidate: Candidate;
  readonly published: PublishedRecord | null;
}

/** What the store measured, what was published and what simulators predict for the kernels of runs, side by side. */
export async function judgeRuns(options: {
  kernels: readonly RunKernel[];
  store: LabelStore;
  simulators: readonly Validator<Predicted>[];
  /** Reference times for speed-ups where a verdict brings none of its own. */
  baseline: Baseline | null;
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}): Promise<Pick<AgentReportInput, 'cases' | 'judges' | 'levels' | 'notes'>> {
  const { kernels, store, simulators, baseline, onProgress, signal } = options;
  const measured = measuredOf(kernels, store);
  const judges = new Map<string, Judge>();
  const cases: AgentCase[] = [];
  for (const { candidate, published } of kernels) {
    const { set, level, number } = parseProblemId(candidate.problemId);
    const referenceMs = set === officialSet ? (baseline?.referenceMs(level, number) ?? null) : null;
    const verdicts: Record<string, AgentVerdict> = {};
    const say = (judge: Judge, verdict: AgentVerdict): void => {
      judges.set(judge.id, judge);
      verdicts[judge.id] = verdict;
    };
    const label = measured.get(keyOf(candidate));
    if (label !== undefined) say(real, measuredVerdict(label));
    if (published !== null) say(publishers, publishedVerdict(published, referenceMs));
    const problem = store.problem(candidate.problemId);
    for (const simulator of simulators) {
      if (problem === null) break;
      const job = { problem, candidate, settings: settingsSchema.parse({}) };
      const said = await simulator.validate(job, signal === undefined ? {} : { signal });
      const { engine, model } = said.simulator;
      say(
        { id: simulatorName(said), kind: 'simulated', about: `predicted by the ${engine} simulator ${model}` },
        predictedVerdict(said, referenceMs),
      );
    }
    cases.push({ ...whoseOf(candidate), set, level, number, sample: candidate.origin.sample, verdicts });
    onProgress?.(cases.length, kernels.length);
  }
  const order: readonly Judge['kind'][] = ['real', 'published', 'simulated'];
  return {
    cases,
    judges: [...judges.values()].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind)),
    levels: levelsOf(cases, store, baseline),
    notes: [...mixedHardware(kernels, baseline), ...unasked(kernels, store, simulators.length)],
  };
}

const real: Judge = { id: 'measured', kind: 'real', about: "measured by kval's harness" };
const publishers: Judge = {
  id: 'published',
  kind: 'published',
  about: 'as published with the kernels, not checked here',
};

const fidelities: readonly Measured['fidelity'][] = ['built', 'emulated', 'measured'];

/** The best label of each kernel: a GPU's before the CPU's before a build's, the newer before the older. */
function measuredOf(kernels: readonly RunKernel[], store: LabelStore): Map<string, MeasuredKernel> {
  const wanted = new Set(kernels.map(({ candidate }) => keyOf(candidate)));
  const best = new Map<string, MeasuredKernel>();
  for (const { candidate, measured, settings } of store.iterate()) {
    const key = keyOf(candidate);
    if (!wanted.has(key)) continue;
    const known = best.get(key);
    const rank = fidelities.indexOf(measured.fidelity);
    if (known === undefined || rank >= fidelities.indexOf(known.fidelity)) {
      best.set(key, { outcome: measured.outcome, fidelity: measured.fidelity, small: settings.small });
    }
  }
  return best;
}
type MeasuredKernel = Pick<Measured, 'outcome' | 'fidelity'> & { readonly small: boolean };

function keyOf({ hash, problemId }: Candidate): string {
  return `${hash} ${problemId}`;
}

/** A speed-up at the small size is none at the size that counts. */
function measuredVerdict({ outcome, small }: MeasuredKernel): AgentVerdict {
  const timing = outcome.status === 'correct' && !small ? outcome.timing : null;
  // Where no CUDA came to be compiled, KernelBench's word is "not compiled".
  return {
    compiled: compiledOf(outcome) ?? false,
    correct: correctOf(outcome),
    speedup: timing?.speedup ?? null,
  };
}

function publishedVerdict(
  { compiled, correct, runtimeMs, speedup }: PublishedRecord,
  referenceMs: number | null,
): AgentVerdict {
  const own = referenceMs !== null && runtimeMs !== null ? referenceMs / runtimeMs : speedup;
  return { compiled, correct, speedup: correct === true ? own : null };
}

/** A probability of one half or more is a yes, as in every report. */
function predictedVerdict({ probabilities, runtimeMs, speedup }: Predicted, referenceMs: number | null): AgentVerdict {
  const correct = probabilities.correct === null ? null : probabilities.correct >= threshold;
  const compiled = probabilities.compiled >= threshold;
  const own = referenceMs !== null && runtimeMs !== null ? referenceMs / runtimeMs.median : speedup;
  return { compiled, correct: compiled ? correct : false, speedup: correct === true ? own : null };
}

/** A speed-up of two GPUs is none. */
function mixedHardware(kernels: readonly RunKernel[], baseline: Baseline | null): string[] {
  const own = new Set(
    kernels.flatMap(({ published }) =>
      published === null || published.runtimeMs === null || published.gpu === null ? [] : [published.gpu],
    ),
  );
  const strangers = [...own].filter((gpu) => baseline !== null && !baseline.hardware.includes(gpu));
  if (baseline === null || strangers.length === 0) return [];
  return [
    `The baseline was measured on ${baseline.hardware.join(', ') || 'a GPU that it does not name'}, the published times on ${strangers.join(', ')}: speed-ups of published verdicts mix the two.`,
  ];
}

/** Without a problem's text there is nothing to ask a simulator about. */
function unasked(kernels: readonly RunKernel[], store: LabelStore, simulators: number): string[] {
  const strange = kernels.filter(({ candidate }) => store.problem(candidate.problemId) === null).length;
  if (simulators === 0 || strange === 0) return [];
  return [
    `${formatCounted(strange, 'kernel is', 'kernels are')} for problems that the store does not hold, so no simulator was asked about them: bring them in with \`kval problems import\`.`,
  ];
}

/** Runs without a name are told apart by who wrote them. */
function whoseOf({ origin }: Candidate): { run: string; generator: string } {
  return { run: origin.run === '' ? origin.generator : origin.run, generator: origin.generator };
}

/** KernelBench's levels, where the store does not hold its problems. */
const officialSizes = new Map([
  [1, 100],
  [2, 100],
  [3, 50],
  [4, 20],
]);

function levelsOf(
  cases: readonly AgentCase[],
  store: LabelStore,
  baseline: Baseline | null,
): AgentReportInput['levels'] {
  const found = new Map(cases.map(({ set, level }) => [`${level} ${set}`, { set, level }]));
  const sorted = [...found].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
  return sorted.map(([, { set, level }]) => {
    const known = store.problems({ set, level }).map(({ number }) => number);
    const seen = new Set(cases.filter((one) => one.set === set && one.level === level).map(({ number }) => number));
    const official = set === officialSet ? (officialSizes.get(level) ?? 0) : 0;
    const problems = Math.max(known.length, seen.size, official);
    const numbers = official > 0 ? Array.from({ length: problems }, (_, index) => index + 1) : known;
    const timed =
      set === officialSet && baseline !== null ? numbers.filter((n) => baseline.referenceMs(level, n) !== null) : null;
    return { set, level, problems, baseline: timed };
  });
}

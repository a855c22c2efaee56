import { formatFactor, formatMs, formatPercent } from './figures.js';
import { predictionOf, type ReportCase, type ReportInput } from './input.js';
import { threshold } from './metrics.js';
import type { WorstError } from './report-schema.js';
import { factorOf } from './runtime-section.js';

/** The most confident of the wrong answers, a few for each simulator and target, so that a person can look at them. */
export function worstErrors(input: ReportInput, each = 6): WorstError[] {
  return input.simulators.flatMap(({ id }) => [
    ...wrongVerdicts(input, id, 'compiled').slice(0, each),
    ...wrongVerdicts(input, id, 'correct').slice(0, each),
    ...wrongRuntimes(input, id).slice(0, each),
  ]);
}

function wrongVerdicts(input: ReportInput, simulator: string, target: 'compiled' | 'correct'): WorstError[] {
  return input.cases
    .flatMap((one) => {
      const truth = one.truth[target];
      const probability = predictionOf(one, simulator)?.[target] ?? null;
      if (truth === null || probability === null || probability >= threshold === truth) return [];
      const wrongness = truth ? 1 - probability : probability;
      const prediction = `${truth ? `not ${target}` : target}, with probability ${formatPercent(wrongness, '%')}`;
      return [{ one, wrongness, prediction, truth: truthOf(one, target) }];
    })
    .sort(byWrongness)
    .map((error) => describe(simulator, target, error));
}

function wrongRuntimes(input: ReportInput, simulator: string): WorstError[] {
  return input.cases
    .flatMap((one) => {
      const truthMs = one.truth.runtimeMs;
      const predictedMs = predictionOf(one, simulator)?.runtimeMs?.median;
      if (truthMs === null || truthMs <= 0 || predictedMs === undefined || predictedMs <= 0) return [];
      const wrongness = factorOf({ truthMs, predictedMs });
      if (wrongness <= 2) return [];
      const prediction = `${formatMs(predictedMs)}, off by a factor of ${formatFactor(wrongness)}`;
      return [{ one, wrongness, prediction, truth: formatMs(truthMs) }];
    })
    .sort(byWrongness)
    .map((error) => describe(simulator, 'runtime', error));
}

interface Wrong {
  readonly one: ReportCase;
  readonly wrongness: number;
  readonly prediction: string;
  readonly truth: string;
}

function byWrongness(a: Wrong, b: Wrong): number {
  return b.wrongness - a.wrongness || a.one.candidateHash.localeCompare(b.one.candidateHash, 'en');
}

function truthOf(one: ReportCase, target: 'compiled' | 'correct'): string {
  const known = one.truth[target] ? target : `not ${target}`;
  const { status } = one.truth;
  return status === null || status === known ? known : `${known} (${status})`;
}

function describe(
  simulator: string,
  target: WorstError['target'],
  { one, wrongness, prediction, truth }: Wrong,
): WorstError {
  const { candidateHash, problemId, level, family, generator } = one;
  const excerpt = one.source === undefined ? null : excerptOf(one.source);
  return {
    simulator,
    target,
    candidateHash,
    problemId,
    level,
    family,
    generator,
    truth,
    prediction,
    wrongness,
    diagnostics: (one.diagnostics ?? []).slice(0, mostDiagnostics).map((message) => shortened(message, excerptWidth)),
    excerpt,
  };
}

/** Most kernels are shown whole. */
const excerptLines = 400;
const excerptWidth = 240;
const mostDiagnostics = 3;

/** The part of the source around its first kernel. */
function excerptOf(source: string): WorstError['excerpt'] {
  const lines = source.replace(/\n$/, '').split('\n');
  const kernel = lines.findIndex((line) => line.includes('__global__'));
  const start = lines.length <= excerptLines ? 0 : Math.max(0, Math.min(kernel - 4, lines.length - excerptLines));
  const taken = lines.slice(start, start + excerptLines);
  const text = taken.map((line) => shortened(line, excerptWidth)).join('\n');
  return { text, firstLine: start + 1, lines: taken.length, ofLines: lines.length };
}

function shortened(line: string, limit: number): string {
  return line.length > limit ? `${line.slice(0, limit)} ...` : line;
}

import { describeOutcome } from '../outcome-text.js';
import type { Verdict } from '../verdict.js';
import type { Facts } from './facts.js';

const longest = 4_000;

/** A verdict as an agent reads it: what happened within the first 200 characters, then the evidence, cut where it is long. */
export function feedbackOf(verdict: Verdict, facts: Facts): string {
  const text = verdict.kind === 'measured' ? describeOutcome(verdict.outcome) : predictedText(facts);
  const lead = verdict.fidelity === 'emulated' && facts.correct === 1 ? `${text}; not timed: there was no GPU` : text;
  return lead.length <= longest ? lead : `${lead.slice(0, longest)}\n[cut: ${lead.length} characters]`;
}

function predictedText(facts: Facts): string {
  const chance = (probability: number): string => `${(100 * probability).toFixed(0)}%`;
  const said = `predicted, not run (compiles ${chance(facts.p_compiled)}, correct ${chance(facts.p_correct)})`;
  if (facts.status === 'invalid') return `invalid: ${said}`;
  if (facts.compiled === 0) return `compile error: ${said}`;
  if (facts.status === 'runtime-error') return `runtime error: ${said}`;
  if (facts.correct_known === 0) return `builds: ${said.replace(/, correct [^)]*/, '')}`;
  if (facts.correct === 0) return `wrong values: ${said}`;
  return facts.timed === 1 ? `correct, speed-up ${facts.speedup.toFixed(2)}: ${said}` : `correct: ${said}`;
}

import type { Outcome } from './verdict.js';

/** What happened, in words: the verdict itself within the first line, then the evidence. */
export function describeOutcome(outcome: Outcome): string {
  switch (outcome.status) {
    case 'invalid':
      return `invalid (${outcome.reason}): ${outcome.message}`;
    case 'compile-error':
      return [
        `compile error (${outcome.stage}): ${outcome.message}`,
        ...outcome.diagnostics
          .slice(0, 10)
          .map(
            ({ tool, file, line, severity, message }) =>
              `  ${tool}: ${file}${line === null ? '' : `:${line}`}: ${severity}: ${message}`,
          ),
      ].join('\n');
    case 'load-error':
      return `load error: ${outcome.message}`;
    case 'runtime-error':
      return `runtime error (${outcome.phase}): ${outcome.error}: ${outcome.message}`;
    case 'timeout':
      return `time-out (${outcome.phase}) after ${outcome.limitMs / 1_000} s`;
    case 'mismatch':
      return `mismatch (${outcome.how}): ${outcome.message}`;
    case 'rejected':
      return `rejected (${outcome.cheat}): ${outcome.evidence}`;
    case 'correct':
      return outcome.timing === null
        ? `correct (largest error ${outcome.maxAbsError})`
        : `correct, ${outcome.timing.candidateMs.median} ms against ${outcome.timing.referenceMs.median} ms, speed-up ${outcome.timing.speedup.toFixed(2)}`;
    case 'built':
      return 'builds and loads; not executed, so whether it is right is not known';
  }
}

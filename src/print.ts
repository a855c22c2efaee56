import Table from 'cli-table3';
import type { ImportReport } from './import/report.js';
import type { CollectReport } from './labels/collect.js';
import type { Label } from './labels/label.js';
import { describeOutcome } from './outcome-text.js';
import { type BuildRecord, outcomeStatuses, type Verdict } from './verdict.js';

/** What the command line says: tables, verdicts and counts as text. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  widths?: readonly number[],
): string {
  const made = new Table({
    head: [...head],
    style: { head: [], border: [] },
    ...(widths === undefined ? {} : { colWidths: [...widths], wordWrap: true }),
  });
  made.push(...rows.map((row) => [...row]));
  return made.toString();
}

export function describeImport(
  what: string,
  counts: {
    read: number;
    added: number;
    already: number;
    published: number;
    problems: number;
    report: ImportReport<unknown>;
  },
): string {
  const { report } = counts;
  const named = report.malformed
    .slice(0, 20)
    .map(({ where, line, reason }) => `  ${where}${line === null ? '' : `:${line}`}: ${reason}`);
  const more = report.malformed.length - named.length;
  return [
    `${counts.read} read: ${counts.added} ${what} added, ${counts.already} known already`,
    `${report.malformed.length} malformed, ${report.skipped.length} without anything to import, ${report.duplicates} repeated`,
    ...(counts.published > 0 ? [`${counts.published} published labels kept beside them`] : []),
    ...(what === 'candidates' && counts.problems > 0 ? [`${counts.problems} problems came with them`] : []),
    ...named,
    ...(more > 0 ? [`  and ${more} more`] : []),
  ].join('\n');
}

/** The table of outcomes that labelling ends with. */
export function outcomeCounts(report: CollectReport): string {
  const rows = outcomeStatuses
    .filter((status) => report.byStatus[status] > 0)
    .map((status) => [status, String(report.byStatus[status])]);
  const failures = report.failures
    .slice(0, 20)
    .map(({ problemId, candidateHash, message }) => `  ${problemId} ${candidateHash.slice(0, 12)}: ${message}`);
  return [
    ...(rows.length > 0 ? [table(['outcome', 'kernels'], rows)] : []),
    `${report.labelled} labelled now, ${report.already} before, ${report.elsewhere} by another process; ${report.failed} not judged`,
    ...failures,
    ...(report.stopped ? ['stopped; the same command goes on from here'] : []),
  ].join('\n');
}

export function describeVerdict(verdict: Verdict): string {
  const decided = verdict.decision === undefined ? [] : [`decided:    ${verdict.decision.reason}`];
  if (verdict.kind === 'predicted') {
    const { compiled, correct } = verdict.probabilities;
    return [
      `predicted, not measured (${verdict.simulator.engine} ${verdict.simulator.model}, calibration ${verdict.simulator.calibration})`,
      `compiles:   ${percent(compiled)}`,
      `is correct: ${correct === null ? 'this simulator does not say' : percent(correct)}`,
      ...(verdict.outcomes === undefined
        ? []
        : [
            `outcomes:   ${Object.entries(verdict.outcomes)
              .map(([outcome, chance]) => `${outcome} ${percent(chance)}`)
              .join(', ')}`,
          ]),
      ...(verdict.runtimeMs === null
        ? []
        : [
            `runtime:    ${verdict.runtimeMs.median} ms (80% between ${verdict.runtimeMs.low} and ${verdict.runtimeMs.high})`,
          ]),
      ...decided,
      `took:       ${verdict.durationMs.toFixed(1)} ms`,
    ].join('\n');
  }
  return [
    `${verdict.fidelity}: ${describeOutcome(verdict.outcome)}`,
    ...describeBuild(verdict.build),
    ...(verdict.execution?.notes ?? []).map((note) => `note:       ${note}`),
    ...decided,
    `took:       ${(verdict.provenance.durationMs / 1_000).toFixed(2)} s on ${verdict.provenance.device ?? 'no device'}`,
  ].join('\n');
}

/** A stored label, with the compilers' output where it is asked for. */
export function describeLabel(label: Label, options: { log: boolean }): string {
  const { candidate, problem, measured, createdAt } = label;
  const logs = options.log
    ? (measured.build?.extensions ?? []).flatMap(({ steps }) =>
        steps.map(
          ({ command, exitCode, stdout, stderr }) =>
            `\n$ ${command.join(' ')}\n${stdout}${stderr}exit status ${exitCode ?? 'none'}`,
        ),
      )
    : [];
  return [
    `${candidate.hash.slice(0, 12)} of ${candidate.origin.generator} for ${problem.id} ${problem.name}, ${createdAt}`,
    describeVerdict(measured),
    ...logs,
    '',
  ].join('\n');
}

function describeBuild(build: BuildRecord | null): string[] {
  return (build?.extensions ?? []).flatMap(({ name, path, cached, durationMs, kernels }) => [
    `build:      ${name}, ${path} path${cached ? ', from the cache' : ''}, ${(durationMs / 1_000).toFixed(2)} s`,
    ...kernels.map(
      (kernel) =>
        `  ${kernel.name} (${kernel.arch}): ${kernel.registers ?? '?'} registers, ${kernel.sharedBytes ?? '?'} bytes shared, ${kernel.spillStoreBytes ?? '?'} bytes spilled`,
    ),
  ]);
}

function percent(value: number): string {
  return `${(100 * value).toFixed(1)}%`;
}

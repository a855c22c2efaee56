import type { Manifest } from './manifest.js';
import { splitNames } from './split.js';

/** The data set's `README.md`: what is in it, where it comes from, what was left out, how to read a row. */
export function datasetCard(manifest: Manifest): string {
  const { settings, filtered, splits } = manifest;
  const reasons: readonly (readonly [string, number])[] = [
    ['not in the format of an example', filtered.malformed],
    ['whether it compiled is unknown', filtered.unknown],
    ['labels of another kind than asked for', filtered.otherLabels],
    ['impossible combination', filtered.impossible],
    [`longer than ${settings.maxCharacters} characters`, filtered.tooLong],
    ['a better label of the same kernel exists', filtered.superseded],
    ['the same label twice', filtered.duplicates],
    ['labels of one kernel contradict each other (all left out)', filtered.contradicting],
    ['near-duplicate of a kernel in a later split', filtered.nearDuplicates],
  ];
  return `# Data set ${manifest.id}

Labelled CUDA kernels for training and testing simulators of the validator \`${manifest.tool}\`.
Built by kval ${manifest.kval} from ${manifest.examples} labelled kernels; split by ${settings.split}, seed ${settings.seed}.

| split | rows | ${settings.split === 'random' ? 'clusters' : `${settings.split}s`} | compiled | correct | not correct | correct unknown | with runtime |
|---|---|---|---|---|---|---|---|
${splitNames
  .map((name) => {
    const { rows, units, compiled, correct, withRuntime } = splits[name];
    return `| ${name} | ${rows} | ${units} | ${compiled.yes} | ${correct.yes} | ${correct.no} | ${correct.unknown} | ${withRuntime} |`;
  })
  .join('\n')}

## Sources

| labels | fidelity | problems of | kernels by | rows |
|---|---|---|---|---|
${manifest.sources.map((one) => `| ${one.labels} | ${one.fidelity} | ${one.set} | ${one.generator} | ${one.rows} |`).join('\n')}

Labels of the harness were measured by kval: \`built\` by compiling, \`emulated\` by running on a CPU, \`measured\` by running
on a GPU. Published labels are what the publisher of the kernels said; they were not checked.

## Left out

${reasons.map(([reason, count]) => `- ${reason}: ${count}`).join('\n')}

## Checks

- Format: every row was read with its schema before it was written; ${filtered.malformed} examples did not fit theirs.
- Logic: ${filtered.impossible} labels said what cannot be, such as correct but not compiled, and were left out.
- Semantics: ${rerunWords(manifest)}

## Malformed calls

${malformedWords(manifest)}

## A row

\`messages\` holds a chat: the system turn declares the tool in GTM's unified template (arXiv 2512.04535), the user turn is
the call, with the kernel last, and the assistant turn is what the tool returns, as JSON on one line. A key that is left out
of the return is unknown; a \`runtime_ms\` of null means that there is none, because the kernel is not correct.
The other fields (\`problem\`, \`candidate\`, \`label\`) say the same to programs.

Two versions of one problem are on the same side of a split by problem, and near-duplicates (at least
${settings.nearDuplicate} of the token shingles in common) are never on two sides of any split. \`manifest.json\` holds the SHA-256 of
each file; kval refuses a set whose files do not fit it.
`;
}

function rerunWords({ rerun }: Manifest): string {
  if (rerun === null) return 'no label was made again (`--rerun N` makes a sample again).';
  const { asked, agreed, disagreed, failed } = rerun;
  const others = disagreed.map(
    ({ problem, candidate, first, again }) => `\n  - ${candidate.slice(0, 12)} for ${problem}: ${first}, then ${again}`,
  );
  return `of ${asked} labels that were made again, built and executed from nothing, ${agreed} came out the same, ${disagreed.length} otherwise (left out), ${failed} could not be judged again.${others.join('')}`;
}

function malformedWords({ malformedCalls }: Manifest): string {
  const counts = Object.entries(malformedCalls);
  if (counts.length === 0) return 'None.';
  return `Calls of the tool that are not as they must be stand in files of their own (\`malformed-train.jsonl\` and so on), each
answered with \`{"error": ...}\` in the words of the program that reads calls: ${counts.map(([kind, rows]) => `${kind} ${rows}`).join(', ')}.`;
}

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { KvalError } from '../errors.js';
import type { TunedMode } from './frontier.js';
import { bestMode, policyFileOf, type TunedPolicies } from './policy.js';
import { modeWords, policyColumns, policyRows, policyVerdict, renderPolicyPage } from './policy-page.js';

/** What tuning came to, for a terminal, and where the files are. */
export interface WrittenPolicy {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** For each split: what was wanted and whether it was reached. */
  readonly verdicts: readonly string[];
  /** The mixture that the policy file holds, in words. */
  readonly chosen: string;
  readonly files: { readonly policy: string; readonly report: string; readonly html: string };
}

/** Writes the policy of one mode and split as `out`, and beside it all figures (a threshold of null: nothing is believed) and a page. */
export async function writePolicyFiles(
  tuned: TunedPolicies,
  options: {
    readonly out: string;
    readonly kvalVersion: string;
    readonly mode?: TunedMode;
    readonly split?: string;
  },
): Promise<WrittenPolicy> {
  const split = tuned.splits.find((one) => options.split === undefined || one.split === options.split);
  if (split === undefined) {
    throw new KvalError(
      'bad-input',
      `no kernel${options.split === undefined ? '' : ` of the ${options.split} split`} has both labels and both predictions`,
      {
        fix: 'Give labels that say compiled and correct, and a simulator that predicts both.',
      },
    );
  }
  const mode = split.modes.find((one) => one.mode === options.mode) ?? bestMode(split, tuned.maxError);
  const policy = resolve(options.out);
  const stem = policy.replace(/\.json$/, '');
  const files = { policy, report: `${stem}.report.json`, html: `${stem}.html` };
  await mkdir(dirname(policy), { recursive: true });
  await writeFile(files.policy, `${JSON.stringify(policyFileOf(tuned, split, mode), null, 2)}\n`);
  await writeFile(files.report, `${JSON.stringify(tuned, null, 1)}\n`);
  await writeFile(files.html, renderPolicyPage(tuned, options.kvalVersion));
  return {
    columns: policyColumns,
    rows: policyRows(tuned),
    verdicts: tuned.splits.map((one) => policyVerdict(one, tuned.maxError)),
    chosen: `${modeWords[mode.mode]}, split by ${split.split}`,
    files,
  };
}

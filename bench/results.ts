import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../src/config.js';

/** What figures are to be read with: how they were made, by what, and on which machine. */
export interface Circumstances {
  readonly command: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: { readonly cpus: number; readonly processor: string };
}

export function circumstancesOf(
  script: string,
  args: readonly string[],
  versions: Readonly<Record<string, string>> = {},
): Circumstances {
  const processors = cpus();
  return {
    command: commandOf(script, args),
    versions: { node: process.version, ...versions },
    machine: { cpus: processors.length, processor: processors[0]?.model ?? '' },
  };
}

/** `npm run bench:rl -- --steps 20` */
export function commandOf(script: string, args: readonly string[]): string {
  return [`npm run ${script}`, ...(args.length > 0 ? ['--', ...args] : [])].join(' ');
}

/** `bench/results/name.json` */
export function resultsFile({ root }: Pick<Config, 'root'>, name: string): string {
  return join(root, 'bench', 'results', `${name}.json`);
}

export async function writeResults<T extends Circumstances>(config: Config, name: string, results: T): Promise<void> {
  await writeFile(resultsFile(config, name), `${JSON.stringify(results, null, 2)}\n`);
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../src/config.js';

/** Kernels of 4 KB for one problem, as many different ones as are wanted. */
export interface Kernels {
  readonly problemId: string;
  source(number: number): string;
  /** The request for one, as JSON; fast to make, so that the load is the service's. */
  body(number: number): string;
}

const mark = '@number@';

export function fourKilobyteKernels({ starterCandidatesFolder }: Pick<Config, 'starterCandidatesFolder'>): Kernels {
  const problemId = 'starter/level1/7';
  const kernel = readFileSync(join(starterCandidatesFolder, '7_ReLU', 'float4.py'), 'utf8');
  const filler = '# what a language model says beside its code, again and again\n';
  const text = `${kernel.trimEnd()}\n`.padEnd(4_080, filler).replace(/\n?[^\n]*$/, '\n');
  const template = `${text}# ${mark}\n`;
  const [head = '', tail = ''] = JSON.stringify({ kernel: template, problem_id: problemId }).split(mark);
  return {
    problemId,
    source: (number) => template.replace(mark, String(number)),
    body: (number) => `${head}${number}${tail}`,
  };
}

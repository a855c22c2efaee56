import type { Job } from '../candidate.js';
import { toKvalError } from '../errors.js';
import type { LabelStore } from '../labels/store.js';
import { sha256 } from '../problem.js';
import type { Measured } from '../verdict.js';
import type { Rerun } from './manifest.js';

export interface RerunOptions {
  readonly count: number;
  readonly seed: number;
  /** The real validator, without what it remembers of the first time. */
  readonly judge: (job: Job, options: { signal?: AbortSignal }) => Promise<Measured>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Makes a sample of the labels again and compares the outcomes. The labels stay as they are. */
export async function rerunSample(store: LabelStore, options: RerunOptions): Promise<Rerun> {
  const { judge, signal, onProgress } = options;
  const keys = store
    .list()
    .map(({ jobKey }) => jobKey)
    .sort((a, b) => (rank(a, options.seed) < rank(b, options.seed) ? -1 : 1))
    .slice(0, options.count);
  const disagreed: Rerun['disagreed'] = [];
  let failed = 0;
  for (const [done, key] of keys.entries()) {
    onProgress?.(done, keys.length);
    const label = store.find(key);
    if (label === null) continue;
    const again = await judge(label, signal === undefined ? {} : { signal }).catch((thrown: unknown) => {
      const error = toKvalError(thrown);
      if (error.code === 'interrupted') throw error;
      return null;
    });
    if (again === null) failed += 1;
    else if (wordOf(again) !== wordOf(label.measured)) {
      disagreed.push({
        problem: label.problem.id,
        candidate: label.candidate.hash,
        first: wordOf(label.measured),
        again: wordOf(again),
      });
    }
  }
  onProgress?.(keys.length, keys.length);
  return { asked: keys.length, agreed: keys.length - failed - disagreed.length, disagreed, failed };
}

function rank(key: string, seed: number): string {
  return sha256(String(seed), 'rerun', key);
}

/** Which numbers differ and by how much is chance of the inputs; the kind of outcome is not. */
function wordOf({ outcome }: Measured): string {
  return outcome.status;
}

import type { LabelStore } from './store.js';

/** How long each problem's own `Model` takes, where a label says so: what a predicted speed-up is reckoned from. */
export function referenceRuntimes(store: LabelStore): Map<string, number> {
  const known = new Map<string, number>();
  for (const { problem, measured, settings } of store.iterate({ statuses: ['correct'] })) {
    const timing = measured.outcome.status === 'correct' && !settings.small ? measured.outcome.timing : null;
    if (timing !== null) known.set(`${problem.id} ${problem.sourceHash}`, timing.referenceMs.median);
  }
  return known;
}

/** How long the real validator took, by `<candidate hash> <problem id>`, in milliseconds. */
export function judgingTimes(store: LabelStore): Map<string, number> {
  const known = new Map<string, number>();
  for (const { candidate, problem, measured } of store.iterate()) {
    known.set(`${candidate.hash} ${problem.id}`, measured.provenance.durationMs);
  }
  return known;
}

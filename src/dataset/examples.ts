import type { Filter, Label, Published } from '../labels/label.js';
import type { LabelStore } from '../labels/store.js';
import type { Problem } from '../problem.js';
import { buildFactsOf } from '../simulator/build-features.js';
import { compiledOf, correctOf } from '../verdict.js';
import type { LabelledExample } from './row.js';

/** What a store knows, as a data set takes it in: our own labels, published ones, or both, each named as what it is. */
export function* examplesOf(
  store: LabelStore,
  labels: 'harness' | 'published' | 'any',
  filter: Filter = {},
): Generator<LabelledExample> {
  if (labels !== 'published') {
    const devices = devicesOf(store, filter);
    for (const label of store.iterate(filter)) yield ofLabel(label, devices);
  }
  if (labels === 'harness') return;
  for (const record of store.published(filter)) {
    const problem = store.problem(record.candidate.problemId);
    if (problem !== null) yield ofPublished(record, problem);
  }
}

/**
 * The device of each kind that most labels name. A kernel that failed before it ran was meant for one, too; a row that names
 * none for that reason would betray its verdict.
 */
function devicesOf(store: LabelStore, filter: Filter): ReadonlyMap<string, string> {
  const counts = new Map<string, Map<string, number>>();
  for (const { settings, measured } of store.iterate(filter)) {
    const { device } = measured.provenance;
    if (device === null) continue;
    const kind = counts.get(settings.device) ?? new Map<string, number>();
    counts.set(settings.device, kind.set(device, (kind.get(device) ?? 0) + 1));
  }
  return new Map(
    [...counts].map(([kind, names]) => [kind, [...names].reduce((a, b) => (b[1] > a[1] ? b : a))[0]] as const),
  );
}

function ofLabel(
  { problem, candidate, measured, settings }: Label,
  devices: ReadonlyMap<string, string>,
): LabelledExample {
  const { outcome, fidelity, provenance, build } = measured;
  const compiled = compiledOf(outcome);
  // Runtimes of two sizes of a problem do not mix.
  const timing = outcome.status === 'correct' && !settings.small ? outcome.timing : null;
  return {
    problem: problemFields(problem),
    candidate: candidateFields(candidate),
    label: {
      source: 'harness',
      fidelity,
      status: outcome.status,
      compiled,
      correct: correctOf(outcome),
      runtimeMs: timing?.candidateMs.median ?? null,
      device: provenance.device ?? devices.get(settings.device) ?? null,
      referenceRuntimeMs: timing?.referenceMs.median ?? null,
      diagnostics: outcome.status === 'compile-error' ? outcome.diagnostics.map(({ message }) => message) : [],
      build: compiled === true && build !== null ? buildFactsOf(build) : null,
    },
  };
}

function ofPublished({ candidate, published }: Published, problem: Problem): LabelledExample {
  const { compiled, correct, runtimeMs, speedup, gpu } = published;
  return {
    problem: problemFields(problem),
    candidate: candidateFields(candidate),
    label: {
      source: 'published',
      fidelity: 'published',
      status: null,
      compiled,
      correct,
      runtimeMs: correct === true ? runtimeMs : null,
      device: gpu,
      referenceRuntimeMs: runtimeMs !== null && speedup !== null ? runtimeMs * speedup : null,
      diagnostics: [],
      build: null,
    },
  };
}

function problemFields({ id, set, level, sourceHash, source, name }: Problem): LabelledExample['problem'] {
  return { id, set, level, sourceHash, source, name };
}

function candidateFields({ hash, language, source, origin }: Label['candidate']): LabelledExample['candidate'] {
  const { generator, run, parent, mutation } = origin;
  return {
    hash,
    language,
    source,
    generator,
    run,
    ...(parent === null ? {} : { parent }),
    ...(mutation === null ? {} : { mutation }),
  };
}

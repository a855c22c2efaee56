import { z } from 'zod';
import { fieldOf, isObject, type Json, type JsonObject, textOf } from './json.js';

/** What kept a publisher's machine from judging: the kernel is not to blame, so nothing is known about it. */
export const infrastructureKinds = [
  'out-of-memory',
  'no-kernel-image',
  'disk-full',
  'device-lost',
  'timeout',
  'worker-died',
  'not-evaluated',
] as const;

export const publishedKindSchema = z.enum([
  'correct',
  'mismatch',
  'runtime-error',
  'cuda-fault',
  'compile-error',
  'static-check',
  'unstated',
  ...infrastructureKinds,
]);
export type PublishedKind = z.infer<typeof publishedKindSchema>;

/**
 * What somebody else measured, in our words, with theirs beside it. Never a label of ours.
 *
 * `compiled: false` keeps the publisher's mixed meaning: Python errors, `load_inline`'s rules, nvcc, link errors, and
 * CUDA faults that KernelBench stores as not compiled (`kind` tells those apart). Where the machine failed, what was
 * `false` is null: unknown. Runtimes of -1, 0, NaN and null are null; runtimes and speed-ups are otherwise as published.
 */
export const publishedLabelSchema = z.object({
  compiled: z.boolean().nullable(),
  correct: z.boolean().nullable(),
  /** Mean time of a call in milliseconds. */
  runtimeMs: z.number().positive().nullable(),
  /** Reference time over candidate time. */
  speedup: z.number().positive().nullable(),
  gpu: z.string().nullable(),
  kind: publishedKindSchema,
  raw: z.json(),
});
export type PublishedLabel = z.infer<typeof publishedLabelSchema>;

/** Normalises KernelBench's result record and its relatives (`correct`, `avg_runtime`, CUDA-L1's `speedup`, a `status`). */
export function publishedLabel(
  record: JsonObject,
  context: { gpu: string | null; run: string | null },
): PublishedLabel {
  const metadata = fieldOf(record, ['metadata']);
  const stats = fieldOf(record, ['runtime_stats']);
  const said = {
    compiled: booleanOf(record, ['compiled', 'compilation_success']),
    correct: booleanOf(record, ['correctness', 'correct', 'Correct', 'runnable']),
  };
  const runtimeMs = positive(
    fieldOf(record, ['runtime_ms', 'runtime', 'avg_runtime', 'kernel_runtime', 'kernel_eval_time']),
  );
  const infrastructure = said.correct === true ? null : infrastructureKind(record, metadata);
  const known = infrastructure === null ? said : { compiled: said.compiled || null, correct: null };
  return {
    ...known,
    runtimeMs,
    speedup: speedupOf(record, context.run) ?? ratio(positive(fieldOf(record, ['ref_runtime'])), runtimeMs),
    gpu: hardwareOf(stats) ?? hardwareOf(metadata) ?? textOf(record, ['hardware', 'gpu']) ?? context.gpu,
    kind: infrastructure ?? kindOf(said, record, metadata),
    raw: record,
  };
}

/** A row of the AI-CUDA-Engineer-Archive: no compile flag, so `compiled` comes from `Correct`, `Max_Diff` and `Error`. */
export function archiveLabel(row: JsonObject): PublishedLabel {
  const error = textOf(row, ['Error']);
  const correct = booleanOf(row, ['Correct']);
  const kind = correct === true ? null : error === null ? null : infrastructureIn(error);
  const unbuilt = error !== null && buildFailure.test(error);
  const ran =
    correct === true || positive(fieldOf(row, ['CUDA_Runtime'])) !== null || fieldOf(row, ['Max_Diff']) !== null;
  const compiled = ran ? true : unbuilt ? false : error !== null && runFailure.test(error) ? true : null;
  return {
    compiled: kind === null ? compiled : compiled || null,
    correct: kind === null ? correct : null,
    runtimeMs: positive(fieldOf(row, ['CUDA_Runtime'])),
    speedup: positive(fieldOf(row, ['CUDA_Speedup_Native'])),
    gpu: textOf(row, ['GPU', 'hardware']),
    kind:
      kind ??
      (correct === true
        ? 'correct'
        : compiled === false
          ? 'compile-error'
          : error !== null
            ? 'runtime-error'
            : correct === false
              ? 'mismatch'
              : 'unstated'),
    raw: row,
  };
}

const buildFailure =
  /Error building extension|ninja: build stopped|nvcc fatal|error: .*detected in the compilation|undefined symbol|cannot open shared object|ImportError/i;
const runFailure =
  /CUDA error|CUDA Error|incompatible function arguments|RuntimeError|illegal memory access|must be|mismatch|size|shape/i;

function kindOf(
  said: { compiled: boolean | null; correct: boolean | null },
  record: JsonObject,
  metadata: Json,
): PublishedKind {
  const details = isObject(metadata) ? metadata : {};
  if (textOf(record, ['status']) === 'static_failed') return 'static-check';
  if (said.correct === true) return 'correct';
  if (said.compiled === false) return fieldOf(details, ['cuda_error']) === null ? 'compile-error' : 'cuda-fault';
  if (said.correct !== false) return 'unstated';
  return fieldOf(details, ['correctness_issue', 'max_difference']) === null ? 'runtime-error' : 'mismatch';
}

function infrastructureKind(record: JsonObject, metadata: Json): PublishedKind | null {
  const status = textOf(record, ['status']);
  if (status === 'evaluation_error') return infrastructureIn(errorText(record, metadata)) ?? 'not-evaluated';
  return infrastructureIn(errorText(record, metadata));
}

const signs: readonly (readonly [PublishedKind, RegExp])[] = [
  [
    'out-of-memory',
    /out of memory|OutOfMemory|_ALLOC_FAILED|std::bad_alloc|MemoryError|Killed \(program|Cannot allocate memory/i,
  ],
  [
    'no-kernel-image',
    /no kernel image is available|provided PTX was compiled with an unsupported|driver version is insufficient/i,
  ],
  ['disk-full', /No space left on device|disk quota exceeded/i],
  [
    'device-lost',
    /GPU is lost|fallen off the bus|no CUDA-capable device|devices? (?:is|are) busy or unavailable|uncorrectable ECC|Cannot re-initialize CUDA/i,
  ],
  ['timeout', /\btimed out\b|TimeoutError|TimeoutExpired|\btime-?out after\b/i],
  [
    'worker-died',
    /BrokenProcessPool|terminated abruptly|Ran out of input|can't pickle|worker (?:process )?(?:died|crashed)/i,
  ],
];

function infrastructureIn(text: string): PublishedKind | null {
  return signs.find(([, sign]) => sign.test(text))?.[0] ?? null;
}

/** Every message of a record: KernelBench puts them under many names, most of them in `metadata`. */
function errorText(record: JsonObject, metadata: Json): string {
  const texts: string[] = [];
  for (const holder of [record, isObject(metadata) ? metadata : {}]) {
    for (const [name, value] of Object.entries(holder)) {
      if (typeof value === 'string' && /error|issue|exception|traceback|message|reason/i.test(name)) texts.push(value);
    }
  }
  return texts.join('\n');
}

function booleanOf(record: JsonObject, names: readonly string[]): boolean | null {
  const value = fieldOf(record, names);
  if (typeof value === 'boolean') return value;
  if (value === 1 || value === 'true' || value === 'True') return true;
  if (value === 0 || value === 'false' || value === 'False') return false;
  return null;
}

/** CUDA-L1 publishes one speed-up for each GPU; the one that counts is that of the run's own GPU. */
function speedupOf(record: JsonObject, run: string | null): number | null {
  const value = fieldOf(record, ['speedup', 'score_default']);
  if (!isObject(value)) return positive(value);
  return run === null ? null : positive(fieldOf(value, [run]));
}

/** KernelBench's newer records hold the reference's time instead of a speed-up. */
function ratio(referenceMs: number | null, runtimeMs: number | null): number | null {
  return referenceMs === null || runtimeMs === null ? null : referenceMs / runtimeMs;
}

function hardwareOf(holder: Json): string | null {
  return isObject(holder) ? textOf(holder, ['hardware', 'gpu_name']) : null;
}

function positive(value: Json): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) && number > 0 ? number : null;
}

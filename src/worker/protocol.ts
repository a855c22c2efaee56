import { z } from 'zod';
import { buildPathSchema, languageSchema, precisionSchema } from '../candidate.js';
import { buildRecordSchema, executionRecordSchema, outcomeSchema } from '../verdict.js';

/**
 * What goes over the pipe between this program and a Python worker: one JSON object a line.
 * Declared here once; `test/fixtures/protocol/schema.json` is made from it, and `cuda-harness/PROTOCOL.md` explains it.
 */
export const protocolVersion = 1;

/** `cuda`: a GPU. `cpu`: CUDA in software, for correctness alone. */
const deviceKindSchema = z.enum(['cuda', 'cpu']);

export const deviceSchema = z.object({
  kind: deviceKindSchema,
  index: z.int().nonnegative(),
  name: z.string(),
  computeCapability: z.string(),
  memoryBytes: z.int().nonnegative(),
  driver: z.string().nullable(),
});
export type Device = z.infer<typeof deviceSchema>;

/** The first line of a worker: what it is and what it can use. */
export const helloSchema = z.object({
  type: z.literal('hello'),
  protocol: z.literal(protocolVersion),
  harness: z.string(),
  python: z.string(),
  torch: z.string().nullable(),
  torchCuda: z.string().nullable(),
  nvcc: z.string().nullable(),
  nvccPath: z.string().nullable(),
  gxx: z.string().nullable(),
  devices: z.array(deviceSchema),
  sandbox: z.record(z.string(), z.union([z.string(), z.boolean(), z.null()])),
});
export type Hello = z.infer<typeof helloSchema>;

/** Reads only as much of a first line as says which protocol it speaks, whatever else it holds. */
export const anyHelloSchema = z.object({ type: z.literal('hello'), protocol: z.int() });

const candidateSchema = z.object({ source: z.string(), language: languageSchema });
const problemSchema = z.object({ source: z.string(), small: z.boolean() });

const buildSettingsSchema = z.object({
  arch: z.string(),
  path: buildPathSchema,
  buildTimeoutMs: z.number().positive(),
  cacheFolder: z.string(),
  cacheMaxBytes: z.int().nonnegative(),
});

const buildParamsSchema = z.object({
  candidate: candidateSchema,
  problem: problemSchema.nullable(),
  settings: buildSettingsSchema,
  /** An empty folder of its own, absolute; whoever asks removes it. */
  folder: z.string(),
});

const executeParamsSchema = buildParamsSchema.extend({
  problem: problemSchema,
  device: z.object({ kind: deviceKindSchema, index: z.int().nonnegative() }),
  settings: buildSettingsSchema.extend({
    precision: precisionSchema,
    trials: z.int().positive(),
    timingTrials: z.int().nonnegative(),
    executeTimeoutMs: z.number().positive(),
    compat: z.enum(['kval', 'kernelbench']),
  }),
});

/** What goes into a problem; null with the reason in `unknown` where that cannot be told without real values. */
const shapesSchema = z.object({
  inputs: z.array(z.json()).nullable(),
  init: z.array(z.json()).nullable(),
  unknown: z.string().nullable(),
});

/** A question that a worker can be asked: the shapes of what goes in and of what comes out. */
export interface Method<Params, Result> {
  readonly name: string;
  readonly params: z.ZodType<Params>;
  readonly result: z.ZodType<Result>;
}

function method<Params, Result>(
  name: string,
  params: z.ZodType<Params>,
  result: z.ZodType<Result>,
): Method<Params, Result> {
  return { name, params, result };
}

/** Compiles a candidate; `built` is its only good outcome. */
export const build = method(
  'build',
  buildParamsSchema,
  z.object({ outcome: outcomeSchema, build: buildRecordSchema.nullable() }),
);

/** Compiles a candidate (from the cache, as a rule), runs it on a device and compares it with the problem's `Model`. */
export const execute = method(
  'execute',
  executeParamsSchema,
  z.object({
    outcome: outcomeSchema,
    build: buildRecordSchema.nullable(),
    execution: executionRecordSchema.nullable(),
  }),
);

/** Looks at a problem without running it: what its inputs and its parameters are, at full and at small size. */
export const problem = method(
  'problem',
  z.object({ source: z.string() }),
  z.object({
    hasSmall: z.boolean(),
    shapes: shapesSchema,
    smallShapes: shapesSchema.nullable(),
    shapeHash: z.string().nullable(),
    smallShapeHash: z.string().nullable(),
  }),
);

export const findingSchema = z.object({
  kind: z.enum(['zeros', 'constant', 'mean', 'input-copy', 'low-variance', 'non-finite', 'error']),
  message: z.string(),
});
export type Finding = z.infer<typeof findingSchema>;

/** Admission: whether a trivial answer would pass for this problem. */
export const checkProblem = method(
  'check-problem',
  z.object({ source: z.string(), small: z.boolean(), tolerance: z.number().positive().nullable() }),
  z.object({ admitted: z.boolean(), findings: z.array(findingSchema), durationMs: z.number() }),
);

/** What the build cache holds; with `maxBytes`, after pruning it to so much. */
export const cache = method(
  'cache',
  z.object({ cacheFolder: z.string(), maxBytes: z.int().nonnegative().optional() }),
  z.object({
    entries: z.int(),
    libraries: z.int(),
    bytes: z.int(),
    oldestMs: z.number().nullable(),
    drafts: z.int(),
    pruned: z.int(),
  }),
);

/** Empties the build cache. */
export const clearCache = method('clear-cache', z.object({ cacheFolder: z.string() }), z.object({ removed: z.int() }));

/** Stops the request named, if it is still running; that one then ends with the error `interrupted`. */
export const cancel = method('cancel', z.object({ target: z.string() }), z.unknown());

export const requestSchema = z.object({
  id: z.string(),
  method: z.string(),
  params: z.record(z.string(), z.unknown()),
});
export type Request = z.infer<typeof requestSchema>;

/** Failures of the instrument. None of them says anything about a candidate. */
export const instrumentErrorSchema = z.object({
  code: z.enum([
    'bad-request',
    'out-of-memory',
    'no-kernel-image',
    'device-lost',
    'overloaded',
    'disk-full',
    'worker-died',
    'toolchain-missing',
    'problem-broken',
    'unsupported',
    'interrupted',
    'internal',
  ]),
  message: z.string(),
  retry: z.boolean(),
});
export type InstrumentError = z.infer<typeof instrumentErrorSchema>;

export const progressSchema = z.object({
  type: z.literal('progress'),
  id: z.string(),
  stage: z.string(),
  message: z.string(),
});
export type Progress = z.infer<typeof progressSchema>;

/** Every line after the first: any number of `progress`, then exactly one `result` or `error` for each request. */
export const replySchema = z.discriminatedUnion('type', [
  progressSchema,
  z.object({ type: z.literal('result'), id: z.string(), result: z.unknown() }),
  z.object({ type: z.literal('error'), id: z.string(), error: instrumentErrorSchema }),
]);
export type Reply = z.infer<typeof replySchema>;

/** The protocol as one JSON Schema, for readers in other languages: see `properties.hello`, `properties.build.properties.params`, ... */
export function protocolJsonSchema(): unknown {
  const exchange = <P, R>({ params, result }: Method<P, R>) => z.object({ params, result });
  return z.toJSONSchema(
    z
      .object({
        hello: helloSchema,
        request: requestSchema,
        reply: replySchema,
        build: exchange(build),
        execute: exchange(execute),
        problem: exchange(problem),
        'check-problem': exchange(checkProblem),
        cache: exchange(cache),
        'clear-cache': exchange(clearCache),
        cancel: exchange(cancel),
      })
      .meta({ title: `kval worker protocol ${protocolVersion}` }),
  );
}

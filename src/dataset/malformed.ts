import { z } from 'zod';
import { toKvalError } from '../errors.js';
import { sha256 } from '../problem.js';
import { readCall } from '../simulator/read-call.js';
import { type DatasetRow, datasetRowSchema, messageSchema } from './row.js';

/** The ways in which an agent gets a call wrong. */
export const malformedKinds = ['missing', 'excess', 'ill-typed', 'invalid', 'not-json'] as const;

/** A row whose call is malformed: the tool answers with its error, and judges nothing. */
export const malformedRowSchema = z.object({
  id: z.string(),
  messages: z.array(messageSchema).length(3),
  problem: datasetRowSchema.shape.problem,
  malformed: z.object({
    kind: z.enum(malformedKinds),
    /** The argument that is wrong, or a word for what is wrong with the whole. */
    what: z.string(),
  }),
});
export type MalformedRow = z.infer<typeof malformedRowSchema>;

type Call = { name: string; arguments: Record<string, unknown> };
interface Fault {
  readonly kind: (typeof malformedKinds)[number];
  readonly what: string;
  /** The call with the fault, as a value or, where it is no JSON, as text. */
  readonly spoil: (call: Call, text: string) => Call | string;
}

/** Calls as agents send them by mistake. What the tool says to each is not written here: the tool is asked. */
const faults: readonly Fault[] = [
  ...['problem', 'kernel'].map((what): Fault => ({ kind: 'missing', what, spoil: (call) => without(call, what) })),
  { kind: 'missing', what: 'name', spoil: (call) => JSON.stringify({ arguments: call.arguments }) },
  { kind: 'missing', what: 'arguments', spoil: (call) => JSON.stringify({ name: call.name }) },
  excess('timeout', 60),
  excess('trials', 5),
  excess('gpu', 'H100'),
  excess('code', '__global__ void kernel() {}'),
  illTyped('kernel', (value) => [value]),
  illTyped('kernel', (value) => ({ source: value })),
  illTyped('kernel', () => null),
  illTyped('problem', () => 19),
  illTyped('device', () => 0),
  illTyped('language', () => true),
  invalid('language', 'cuda-c++'),
  invalid('language', 'triton'),
  invalid('kernel', ''),
  invalid('kernel', '\n  \n'),
  invalid('kernel', 'import torch\0'),
  invalid('problem', ''),
  invalid('device', ''),
  { kind: 'invalid', what: 'name', spoil: (call) => ({ ...call, name: 'validate_cuda' }) },
  { kind: 'not-json', what: 'cut off', spoil: (_, text) => text.slice(0, Math.floor(text.length / 2)) },
  { kind: 'not-json', what: 'python literal', spoil: (call) => `{'name': '${call.name}', 'arguments': {}}` },
  { kind: 'not-json', what: 'code alone', spoil: (call) => String(call.arguments.kernel) },
];

function without(call: Call, what: string): Call {
  const { [what]: _left, ...rest } = call.arguments;
  return { ...call, arguments: rest };
}

function withArgument(call: Call, what: string, value: unknown): Call {
  return { ...call, arguments: { ...call.arguments, [what]: value } };
}

function excess(what: string, value: unknown): Fault {
  return { kind: 'excess', what, spoil: (call) => withArgument(call, what, value) };
}

function illTyped(what: string, change: (value: unknown) => unknown): Fault {
  return { kind: 'ill-typed', what, spoil: (call) => withArgument(call, what, change(call.arguments[what])) };
}

function invalid(what: string, value: string): Fault {
  return { kind: 'invalid', what, spoil: (call) => withArgument(call, what, value) };
}

const callSchema = z.object({ name: z.string(), arguments: z.record(z.string(), z.unknown()) });

/**
 * Malformed calls made of the calls of good rows, each answered with what reading it really says. Rows and faults are
 * matched by the seed, so that every fault comes about as often as every other.
 */
export function malformedRows(rows: readonly DatasetRow[], count: number, seed: number): MalformedRow[] {
  const order = drawn(faults, ({ kind, what }) => [String(seed), kind, what]);
  return drawn(rows, ({ id }) => [String(seed), 'malformed', id])
    .slice(0, count)
    .flatMap((row, place) => {
      const fault = order[place % order.length];
      const text = row.messages[1]?.content ?? '';
      if (fault === undefined) return [];
      const spoilt = fault.spoil(callSchema.parse(JSON.parse(text)), text);
      const content = typeof spoilt === 'string' ? spoilt : JSON.stringify(spoilt);
      const error = refusalOf(content);
      // What the tool takes after all is no malformed call.
      if (error === null) return [];
      return [
        {
          id: sha256(row.id, fault.kind, fault.what).slice(0, 24),
          messages: [
            ...row.messages.slice(0, 1),
            { role: 'user', content },
            { role: 'assistant', content: JSON.stringify({ error }) },
          ],
          problem: row.problem,
          malformed: { kind: fault.kind, what: fault.what },
        },
      ];
    });
}

/** In an order by hashes: any, but always the same. */
function drawn<T>(items: readonly T[], keyOf: (item: T) => readonly string[]): T[] {
  return items
    .map((item, place) => ({ item, rank: sha256(...keyOf(item), String(place)) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ item }) => item);
}

function refusalOf(text: string): string | null {
  try {
    readCall(text);
    return null;
  } catch (thrown) {
    return toKvalError(thrown).message;
  }
}

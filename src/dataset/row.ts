import { z } from 'zod';
import { KvalError } from '../errors.js';
import { buildFactsSchema } from '../simulator/build-features.js';
import { answerMessage, promptMessages, type ToolCall, type ToolReturn } from '../simulator/prompt.js';
import { readCall } from '../simulator/read-call.js';
import { fidelitySchema, outcomeStatuses } from '../verdict.js';

/** One labelled kernel as a data set takes it in; where it comes from (a label store, a published file) is not its business. */
export const labelledExampleSchema = z.object({
  problem: z.object({
    id: z.string(),
    set: z.string(),
    level: z.int().nonnegative(),
    sourceHash: z.string(),
    source: z.string(),
    name: z.string(),
  }),
  candidate: z.object({
    hash: z.string(),
    language: z.enum(['python', 'cuda']),
    source: z.string(),
    generator: z.string(),
    run: z.string(),
    /** Of mutants: the hash of the parent, and the operator with its seed. */
    parent: z.string().optional(),
    mutation: z.string().optional(),
  }),
  label: z.object({
    source: z.enum(['harness', 'published']),
    fidelity: z.enum(['built', 'emulated', 'measured', 'published']),
    status: z.enum(outcomeStatuses).nullable(),
    compiled: z.boolean().nullable(),
    correct: z.boolean().nullable(),
    runtimeMs: z.number().positive().nullable(),
    device: z.string().nullable(),
    referenceRuntimeMs: z.number().positive().nullable(),
    /** Messages of compilers and rules, kept beside the row for people; never part of the chat. */
    diagnostics: z.array(z.string()),
    /** What the build said of a kernel that was built without error; null where it was not built, or nobody kept it. */
    build: buildFactsSchema.nullable().default(null),
  }),
});
export type LabelledExample = z.infer<typeof labelledExampleSchema>;

export const messageSchema = z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() });

/** A row of the set: the chat, and beside it what a program wants to know without reading the chat. */
export const datasetRowSchema = z.object({
  id: z.string(),
  messages: z.array(messageSchema).length(3),
  problem: z.object({ id: z.string(), set: z.string(), level: z.int(), sourceHash: z.string(), name: z.string() }),
  candidate: z.object({
    hash: z.string(),
    generator: z.string(),
    run: z.string(),
    parent: z.string().optional(),
    mutation: z.string().optional(),
  }),
  label: z.object({
    source: z.enum(['harness', 'published']),
    fidelity: z.enum([...fidelitySchema.options, 'published']).exclude(['predicted']),
    status: z.enum(outcomeStatuses).nullable(),
    compiled: z.boolean(),
    correct: z.boolean().nullable(),
    runtimeMs: z.number().nullable(),
    device: z.string().nullable(),
    referenceRuntimeMs: z.number().nullable(),
    diagnostics: z.array(z.string()),
    build: buildFactsSchema.nullable().default(null),
  }),
});
export type DatasetRow = z.infer<typeof datasetRowSchema>;

/** `compiled` must be known: a row that answers nothing teaches nothing. */
export function toRow(example: LabelledExample & { label: { compiled: boolean } }, id: string): DatasetRow {
  const { problem, candidate, label } = example;
  const { source: _problemSource, ...problemFields } = problem;
  const { source: _source, language: _language, ...candidateFields } = candidate;
  return {
    id,
    messages: [
      ...promptMessages({
        problem: problem.source,
        ...(label.device === null ? {} : { device: label.device }),
        language: candidate.language,
        kernel: withoutExpectation(candidate.source),
      }),
      answerMessage(answerOf(label)),
    ],
    problem: problemFields,
    candidate: candidateFields,
    label,
  };
}

/**
 * Controls say in their first comment lines which outcome is expected of them (`# expected: mismatch shape`, then why).
 * A set that kept those lines would teach to read them.
 */
export function withoutExpectation(source: string): string {
  return source.replace(
    /^(?:#|\/\/)[ \t]*expected:[^\n]*\n(?:(?:#(?!include|define|if|pragma|undef)|\/\/)[^\n]*\n)*/,
    '',
  );
}

/** A kernel that is not correct has no runtime (null); a correct one that nobody timed has an unknown one (left out). */
function answerOf(label: { compiled: boolean; correct: boolean | null; runtimeMs: number | null }): ToolReturn {
  if (!label.compiled) return { compiled: false, correctness: false, runtime_ms: null };
  if (label.correct === null) return { compiled: true };
  if (!label.correct) return { compiled: true, correctness: false, runtime_ms: null };
  return { compiled: true, correctness: true, ...(label.runtimeMs === null ? {} : { runtime_ms: label.runtimeMs }) };
}

/** The arguments of the call that a row answers: the full texts of problem and kernel. */
export function callOf(row: DatasetRow): ToolCall['arguments'] {
  try {
    return readCall(row.messages[1]?.content ?? '').arguments;
  } catch (cause) {
    throw new KvalError('dataset-changed', `row ${row.id} holds no call of the tool`, { cause });
  }
}

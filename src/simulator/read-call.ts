import { z } from 'zod';
import { makeCandidate } from '../candidate.js';
import { KvalError, toKvalError } from '../errors.js';
import { type ToolCall, toolCallSchema } from './prompt.js';

/**
 * Reads a call of the validator as a tool: JSON, the tool's arguments and no others, and a kernel that can be one.
 * Throws `bad-input`, in the words of whoever refuses it: the schema of the call, or what every candidate must be.
 */
export function readCall(text: string): ToolCall {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new KvalError('bad-input', `the call is not JSON: ${toKvalError(cause).message}`, { cause });
  }
  const parsed = toolCallSchema.safeParse(value);
  if (!parsed.success) {
    throw new KvalError('bad-input', onOneLine(parsed.error), { cause: parsed.error });
  }
  const { kernel, language } = parsed.data.arguments;
  makeCandidate({ source: kernel, language, problemId: '' });
  return parsed.data;
}

function onOneLine(error: z.ZodError): string {
  const faults = z
    .prettifyError(error)
    .split('✖ ')
    .map((fault) => fault.replace(/\s*\n\s*/g, ' ').trim());
  return faults.filter((fault) => fault !== '').join('; ');
}

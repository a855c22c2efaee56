import { z } from 'zod';
import { KvalError } from '../errors.js';
import { validatorTool } from '../simulator/prompt.js';
import type { Judge, JudgeCall } from './judge.js';
import { type JudgeInput, judgeRequestSchema, type Reply } from './request.js';

interface Property {
  readonly type: 'string';
  readonly description: string;
  readonly enum?: readonly string[];
}

/**
 * The validator as a tool of an agent, once: every other form is made of it. Flat, with type, description and enum
 * alone, since trainers drop the rest of a schema. Names and words are those of the tool that GTM was taught to play
 * (`validatorTool`), where it has them; an agent may name a problem in place of giving its source, and the device is the
 * service's.
 */
export const kernelTool = {
  name: validatorTool.api_name,
  title: 'CUDA kernel validator',
  description: validatorTool.api_description,
  field: validatorTool.field,
  properties: {
    kernel: { type: 'string', description: `${validatorTool.parameters.kernel.description} The whole file.` },
    problem_id: { type: 'string', description: 'A problem that the service has, such as level1/19; or give problem.' },
    problem: validatorTool.parameters.problem,
    language: { ...validatorTool.parameters.language, enum: ['python', 'cuda'] },
  } satisfies Record<string, Property>,
  required: ['kernel'],
  responses: validatorTool.responses,
} as const;

/** The arguments of a call. What an agent adds beside them is not looked at. */
export const toolArgumentsSchema = z.object({
  kernel: z.string().describe(kernelTool.properties.kernel.description),
  problem_id: z.string().optional().describe(kernelTool.properties.problem_id.description),
  problem: z.string().optional().describe(kernelTool.properties.problem.description),
  language: z.enum(['python', 'cuda']).optional().describe(kernelTool.properties.language.description),
});

/** Judges what a call asks for; `own` is the problem of the session, where the call names none. */
export async function callTool(
  judge: Judge,
  given: z.infer<typeof toolArgumentsSchema>,
  call: JudgeCall & { readonly own?: Pick<JudgeInput, 'problem_id' | 'reference'> } = {},
): Promise<Reply> {
  const { kernel, problem_id, problem, language } = given;
  const named = problem_id !== undefined ? { problem_id } : problem !== undefined ? { reference: problem } : call.own;
  if (named === undefined) {
    throw new KvalError('bad-input', 'the call names no problem', { fix: 'Give problem_id, or problem.' });
  }
  return judge.judge(judgeRequestSchema.parse({ kernel, language, ...named }), call);
}

const jsonSchema = { type: 'object', properties: kernelTool.properties, required: kernelTool.required } as const;

/** What `GET /v1/tools` answers, by its `format`. */
export const toolForms = {
  openai: {
    type: 'function',
    function: { name: kernelTool.name, description: kernelTool.description, parameters: jsonSchema },
  },
  mcp: {
    name: kernelTool.name,
    title: kernelTool.title,
    description: kernelTool.description,
    inputSchema: jsonSchema,
  },
  gtm: {
    api_name: kernelTool.name,
    api_description: kernelTool.description,
    field: kernelTool.field,
    parameters: Object.fromEntries(
      Object.entries(kernelTool.properties).map(([name, { type, description }]) => [name, { type, description }]),
    ),
    required: kernelTool.required,
    responses: kernelTool.responses,
  },
} as const;

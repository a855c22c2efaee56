import { z } from 'zod';

/**
 * The validator as a tool, in the unified template of GTM (arXiv 2512.04535, Figure 2): the keys are the paper's.
 * The simulator plays this tool: it reads a call and answers what the tool would return.
 */
export const validatorTool = {
  api_name: 'cuda_code_validator',
  api_description:
    'Compiles a CUDA kernel written for a KernelBench problem, runs it on a GPU, compares its output with the reference and measures its runtime.',
  field: 'CUDA kernel validation',
  parameters: {
    problem: { type: 'string', description: 'Python source of the reference: Model, get_inputs and get_init_inputs.' },
    device: { type: 'string', description: 'The GPU on which the kernel is run; left out where it is only built.' },
    language: { type: 'string', description: 'python: a module that defines ModelNew; cuda: a bare .cu file.' },
    kernel: { type: 'string', description: 'Source of the candidate.' },
  },
  required: ['problem', 'kernel'],
  responses: {
    compiled: { type: 'boolean', description: 'Whether the kernel was built and its module loaded.' },
    correctness: { type: 'boolean', description: 'Whether it ran and its output equals the reference.' },
    runtime_ms: { type: 'number', description: 'Its runtime in milliseconds, or null where it is not correct.' },
    error: {
      type: 'string',
      description: 'What is wrong with the call, alone: a call that is not as it must be is not judged.',
    },
  },
} as const;

export const toolCallSchema = z.strictObject({
  name: z.literal('cuda_code_validator'),
  arguments: z.strictObject({
    problem: z.string().min(1),
    device: z.string().min(1).optional(),
    language: z.enum(['python', 'cuda']).default('python'),
    kernel: z.string(),
  }),
});
export type ToolCall = z.infer<typeof toolCallSchema>;

/** What the tool returns. A key that is left out is unknown; a runtime of null means that there is none to measure. */
export const toolReturnSchema = z.object({
  compiled: z.boolean(),
  correctness: z.boolean().optional(),
  runtime_ms: z.number().positive().nullable().optional(),
});
export type ToolReturn = z.infer<typeof toolReturnSchema>;

/** The same as JSON Schema, in the order in which the model was taught to answer. `built`: it is known to compile. */
export function returnSchema({ built }: { built: boolean }): object {
  return {
    type: 'object',
    properties: {
      compiled: built ? { type: 'boolean', enum: [true] } : { type: 'boolean' },
      correctness: { type: 'boolean' },
      runtime_ms: { type: ['number', 'null'] },
    },
    required: ['compiled'],
    additionalProperties: false,
  };
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

const systemText = `You simulate a tool. Answer a call as the tool would, with one line of JSON holding its response fields and nothing else. Leave out what the tool would not know.\n${JSON.stringify(validatorTool)}`;

/** The turns before the answer. All that many calls share comes first and the kernel last, so that engines share the prefix. */
export function promptMessages(parts: ToolCall['arguments']): ChatMessage[] {
  const call: ToolCall = {
    name: validatorTool.api_name,
    arguments: {
      problem: parts.problem,
      ...(parts.device === undefined ? {} : { device: parts.device }),
      language: parts.language,
      kernel: parts.kernel,
    },
  };
  return [
    { role: 'system', content: systemText },
    { role: 'user', content: JSON.stringify(call) },
  ];
}

export function answerMessage(answer: ToolReturn): ChatMessage {
  const { compiled, correctness, runtime_ms } = answer;
  return { role: 'assistant', content: JSON.stringify({ compiled, correctness, runtime_ms }) };
}

import { z } from 'zod';

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** A complete answer. */
export interface Completion {
  readonly text: string;
  /** `stop`, `length`, ... as the server says. */
  readonly finishReason: string;
  /** Null where the server counts nothing. */
  readonly usage: Usage | null;
}

const usageSchema = z
  .object({ prompt_tokens: z.number(), completion_tokens: z.number() })
  .transform((usage) => ({ promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens }))
  .nullish();

const contentSchema = z
  .union([
    z.string(),
    z
      .array(z.object({ text: z.string().optional() }))
      .transform((parts) => parts.map((part) => part.text ?? '').join('')),
  ])
  .nullish();

const wholeSchema = z.object({
  choices: z
    .array(z.object({ message: z.object({ content: contentSchema }), finish_reason: z.string().nullish() }))
    .min(1),
  usage: usageSchema,
});

const chunkSchema = z.object({
  choices: z
    .array(z.object({ delta: z.object({ content: contentSchema }).nullish(), finish_reason: z.string().nullish() }))
    .nullish(),
  usage: usageSchema,
});

/** The server's words could not be read as an answer: cut off, or not of the protocol. */
class BrokenAnswer extends Error {}

export async function readStream(chunks: AsyncIterable<unknown>): Promise<Completion> {
  let text = '';
  let finishReason: string | null = null;
  let usage: Usage | null = null;
  for await (const each of chunks) {
    const chunk = chunkSchema.safeParse(each);
    if (!chunk.success) throw new BrokenAnswer(`a part of the answer is malformed: ${z.prettifyError(chunk.error)}`);
    const choice = chunk.data.choices?.[0];
    text += choice?.delta?.content ?? '';
    finishReason = choice?.finish_reason ?? finishReason;
    usage = chunk.data.usage ?? usage;
  }
  if (finishReason === null) throw new BrokenAnswer('the answer ended before it was complete');
  return { text, finishReason, usage };
}

/** A server that cannot stream answers in one piece. */
export function readWhole(body: unknown): Completion {
  const whole = wholeSchema.safeParse(body);
  const choice = whole.data?.choices[0];
  if (!choice) throw new BrokenAnswer('the answer is not a chat completion');
  return {
    text: choice.message.content ?? '',
    finishReason: choice.finish_reason ?? 'stop',
    usage: whole.data?.usage ?? null,
  };
}

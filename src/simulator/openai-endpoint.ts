import OpenAI, { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';
import pLimit from 'p-limit';
import { z } from 'zod';
import { KvalError } from '../errors.js';
import type { Completed } from './openai-answer.js';
import type { ChatMessage } from './prompt.js';

/** What the engine behind an address can do. Found out once, by asking it. */
export interface Abilities {
  /** Keeps to a JSON schema. */
  readonly schema: boolean;
  /** Tells the log-probabilities of tokens. */
  readonly logprobs: boolean;
}

export interface EndpointOptions {
  readonly baseUrl: string;
  readonly apiKey?: string | null;
  /** As the server calls it; without it, the one model that it lists. */
  readonly model?: string;
  readonly concurrency?: number;
  /** Wall time of one attempt. */
  readonly timeoutMs?: number;
  /** Attempts after the first, with growing pauses, after 408, 409, 429, 5xx and a lost connection. */
  readonly retries?: number;
  readonly signal?: AbortSignal;
}

export interface Endpoint {
  readonly model: string;
  readonly abilities: Abilities;
  /** Null: the engine cannot take this prompt (too long for it). Throws a `KvalError` where it fails. */
  ask(messages: readonly ChatMessage[], schema: object, signal?: AbortSignal): Promise<Completed | null>;
}

/** Room for the longest answer of the tool, some twice over. */
const answerTokens = 64;
const topLogprobs = 5;

/** In this order: the first whole set of abilities that the engine shows is used. */
const fallbacks: readonly Abilities[] = [
  { schema: true, logprobs: true },
  { schema: false, logprobs: true },
  { schema: true, logprobs: false },
  { schema: false, logprobs: false },
];

/** Opens an OpenAI-compatible address and probes what stands behind it. Throws `endpoint-failed` where nothing answers. */
export async function openEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const client = new OpenAI({
    baseURL: options.baseUrl,
    apiKey: options.apiKey ?? 'none',
    organization: null,
    project: null,
    maxRetries: options.retries ?? 3,
    timeout: options.timeoutMs ?? 300_000,
    logLevel: 'off',
  });
  const limit = pLimit(options.concurrency ?? 16);
  const model = options.model ?? (await onlyModel(client, options));

  const send = async (
    messages: readonly ChatMessage[],
    schema: object,
    abilities: Abilities,
    signal: AbortSignal | undefined,
  ): Promise<Completed> => {
    const body = await client.chat.completions.create(
      {
        model,
        messages: [...messages],
        temperature: 0,
        max_tokens: answerTokens,
        ...(abilities.logprobs ? { logprobs: true, top_logprobs: topLogprobs } : {}),
        ...(abilities.schema
          ? {
              response_format: {
                type: 'json_schema',
                json_schema: { name: 'answer', strict: true, schema: { ...schema } },
              },
            }
          : {}),
      },
      signal === undefined ? {} : { signal },
    );
    const parsed = completionSchema.safeParse(body);
    const choice = parsed.data?.choices[0];
    if (choice === undefined) throw new KvalError('endpoint-failed', `${options.baseUrl} answers in another protocol`);
    return {
      text: choice.message.content ?? '',
      finishReason: choice.finish_reason ?? 'stop',
      tokens: tokensOf(choice),
    };
  };

  const abilities = await probe(send, options);
  return {
    model,
    abilities,
    ask: (messages, schema, signal) =>
      limit(async () => {
        try {
          signal?.throwIfAborted();
          return await send(messages, schema, abilities, signal);
        } catch (thrown) {
          if (isTooLong(thrown)) return null;
          throw asKvalError(thrown, options.baseUrl, signal);
        }
      }),
  };
}

async function onlyModel(client: OpenAI, options: EndpointOptions): Promise<string> {
  const { baseUrl, signal } = options;
  const listed = await client.models.list(signal === undefined ? {} : { signal }).catch((thrown: unknown) => {
    throw asKvalError(thrown, baseUrl, signal);
  });
  const [only, ...others] = listed.data.map(({ id }) => id);
  if (only !== undefined && others.length === 0) return only;
  throw new KvalError('endpoint-failed', `${baseUrl} lists ${listed.data.length} models, so one must be named`, {
    fix: 'Name it: --served-name of `kval simulator serve --url`, else KVAL_ENDPOINT_MODEL.',
  });
}

type Send = (
  messages: readonly ChatMessage[],
  schema: object,
  abilities: Abilities,
  signal: AbortSignal | undefined,
) => Promise<Completed>;

/** No model begins so by itself: only an engine that keeps to the schema does (some then let it go on with blanks alone). */
const probeSchema = {
  type: 'object',
  properties: { kval_probe: { type: 'string', enum: ['kept'] } },
  required: ['kval_probe'],
  additionalProperties: false,
};

async function probe(send: Send, { baseUrl, signal }: EndpointOptions): Promise<Abilities> {
  let refusal: unknown;
  for (const wanted of fallbacks) {
    try {
      const said = await send([{ role: 'user', content: 'Say hello.' }], probeSchema, wanted, signal);
      const keeps = /^\s*\{\s*("kval_probe"|$)/.test(said.text);
      if ((!wanted.schema || keeps) && (!wanted.logprobs || said.tokens !== null)) return wanted;
    } catch (thrown) {
      if (!isRefusal(thrown)) throw asKvalError(thrown, baseUrl, signal);
      refusal = thrown;
    }
  }
  throw asKvalError(refusal, baseUrl, signal);
}

/** The request, not the server, is at fault: another form of it may do. Some engines say so with a status of 500 or 501. */
function isRefusal(thrown: unknown): boolean {
  return thrown instanceof APIError && [400, 404, 415, 422, 500, 501].includes(thrown.status ?? 0);
}

function isTooLong(thrown: unknown): boolean {
  return (
    thrown instanceof APIError &&
    [400, 413, 422].includes(thrown.status ?? 0) &&
    /context|too long|max(imum)?[ _]?(model[ _]?)?len|maximum.*tokens/i.test(thrown.message)
  );
}

function asKvalError(thrown: unknown, baseUrl: string, signal: AbortSignal | undefined): KvalError {
  if (thrown instanceof KvalError) return thrown;
  if (signal?.aborted === true || thrown instanceof APIUserAbortError) {
    return new KvalError('interrupted', 'stopped before the answer was complete', { cause: thrown });
  }
  const why =
    thrown instanceof APIConnectionTimeoutError
      ? 'gave no answer in time'
      : thrown instanceof APIConnectionError
        ? 'cannot be reached'
        : `fails: ${thrown instanceof Error ? thrown.message.slice(0, 500) : String(thrown)}`;
  return new KvalError('endpoint-failed', `the engine at ${baseUrl} ${why}`, {
    cause: thrown,
    retry: true,
    fix: 'See that the engine runs (`kval simulator serve`) and look at its log; a server that is away is no verdict.',
  });
}

const listedSchema = z.object({ token: z.string(), logprob: z.number() });
const completionSchema = z.object({
  choices: z
    .array(
      z.object({
        message: z.object({ content: z.string().nullish() }),
        finish_reason: z.string().nullish(),
        logprobs: z
          .object({
            content: z.array(listedSchema.extend({ top_logprobs: z.array(listedSchema).nullish() })).nullish(),
          })
          .nullish(),
      }),
    )
    .min(1),
});

function tokensOf(choice: z.infer<typeof completionSchema>['choices'][number]): Completed['tokens'] {
  const content = choice.logprobs?.content;
  if (content === undefined || content === null || content.length === 0) return null;
  return content.map(({ token, logprob, top_logprobs }) => ({ token, logprob, top: top_logprobs ?? [] }));
}

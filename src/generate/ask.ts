import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI, { APIConnectionError, APIError } from 'openai';
import { Stream } from 'openai/core/streaming';
import { KvalError } from '../errors.js';
import { type Completion, readStream, readWhole } from './completion.js';

export interface Endpoint {
  readonly baseUrl: string;
  /** Null for a server that asks for none. */
  readonly apiKey: string | null;
  readonly model: string;
}

export interface Answer extends Completion {
  readonly attempts: number;
}

/** The server answered that this one request cannot be served; others may. */
export class RequestRefused extends Error {
  readonly attempts: number;

  constructor(message: string, attempts: number) {
    super(message);
    this.name = 'RequestRefused';
    this.attempts = attempts;
  }
}

export interface AskOptions {
  readonly temperature: number;
  readonly maxTokens: number;
  /** Wall time of one attempt. */
  readonly timeoutMs: number;
  readonly attempts: number;
  /** The first pause between attempts; it doubles each time, up to a minute. A `Retry-After` of the server goes first. */
  readonly pauseMs: number;
}

const longestPauseMs = 600_000;

/**
 * Asks an OpenAI-compatible endpoint for chat completions, streamed (so that a long answer meets no idle limit on its way).
 *
 * Tries again after 408, 409, 425, 429, 5xx, a lost connection, a cut-off body and a time-out. Throws `RequestRefused` for a
 * request that stays refused, and a `KvalError` where every other request would fare the same (key, address, model).
 */
export function openEndpoint(
  endpoint: Endpoint,
  options: AskOptions,
): (prompt: string, signal: AbortSignal) => Promise<Answer> {
  const client = new OpenAI({
    baseURL: endpoint.baseUrl,
    apiKey: endpoint.apiKey ?? 'none',
    organization: null,
    project: null,
    maxRetries: 0,
    timeout: options.timeoutMs,
    logLevel: 'off',
  });
  let current: RequestForm = { limit: 'max_tokens', temperature: true };

  const attempt = async (prompt: string, form: RequestForm, signal: AbortSignal): Promise<Completion> => {
    const controller = new AbortController();
    const stop = AbortSignal.any([signal, controller.signal, AbortSignal.timeout(options.timeoutMs)]);
    const response = await client.chat.completions
      .create(
        {
          model: endpoint.model,
          messages: [{ role: 'user', content: prompt }],
          stream: true,
          stream_options: { include_usage: true },
          [form.limit]: options.maxTokens,
          ...(form.temperature ? { temperature: options.temperature } : {}),
        },
        { signal: stop },
      )
      .asResponse();
    const streamed = response.headers.get('content-type')?.includes('text/event-stream') ?? false;
    return streamed ? readStream(Stream.fromSSEResponse(response, controller)) : readWhole(await response.json());
  };

  return async (prompt, signal) => {
    for (let count = 1; ; count += 1) {
      const sent = current;
      try {
        return { ...(await attempt(prompt, sent, signal)), attempts: count };
      } catch (thrown) {
        if (signal.aborted) throw new KvalError('interrupted', 'stopped before the answer was complete');
        const adapted = adaptedForm(thrown, sent);
        if (adapted !== null) {
          current = adapted;
          continue;
        }
        const message = withoutKey(describe(thrown, options.timeoutMs), endpoint.apiKey);
        if (isHopeless(thrown)) throw new KvalError('endpoint-failed', `the endpoint refuses: ${message}`);
        if (!mayPass(thrown) || count >= options.attempts) throw new RequestRefused(message, count);
        await pause(retryAfterMs(thrown) ?? backoffMs(options.pauseMs, count), signal);
      }
    }
  };
}

async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(Math.min(durationMs, longestPauseMs), undefined, { signal });
  } catch {
    throw new KvalError('interrupted', 'stopped before the answer was complete');
  }
}

/** How the limits are spelt; one for all requests of an endpoint, once its first refusal has told. */
interface RequestForm {
  readonly limit: 'max_tokens' | 'max_completion_tokens';
  readonly temperature: boolean;
}

/** Newer models refuse `max_tokens` or a temperature; their refusal says so, and the request is sent in another form. */
function adaptedForm(thrown: unknown, sent: RequestForm): RequestForm | null {
  if (!(thrown instanceof APIError) || thrown.status !== 400) return null;
  if (sent.limit === 'max_tokens' && /max_completion_tokens/.test(thrown.message)) {
    return { ...sent, limit: 'max_completion_tokens' };
  }
  return sent.temperature && thrown.param === 'temperature' ? { ...sent, temperature: false } : null;
}

function isHopeless(thrown: unknown): boolean {
  return thrown instanceof APIError && (thrown.status === 401 || thrown.status === 403 || thrown.status === 404);
}

/** Whether the same request may be answered later. What is no answer of the server's protocol counts as a broken line. */
function mayPass(thrown: unknown): boolean {
  if (!(thrown instanceof APIError) || thrown instanceof APIConnectionError || thrown.status === undefined) return true;
  return thrown.status >= 500 || [408, 409, 425, 429].includes(thrown.status);
}

function retryAfterMs(thrown: unknown): number | null {
  if (!(thrown instanceof APIError)) return null;
  const milliseconds = Number(thrown.headers?.get('retry-after-ms') ?? Number.NaN);
  if (Number.isFinite(milliseconds) && milliseconds >= 0) return milliseconds;
  const stated = thrown.headers?.get('retry-after');
  if (stated === undefined || stated === null) return null;
  const until = /^\s*\d+(\.\d+)?\s*$/.test(stated) ? Number(stated) * 1000 : Date.parse(stated) - Date.now();
  return Number.isFinite(until) ? Math.max(0, until) : null;
}

/** Doubles, with up to a quarter taken off at random so that many samples do not come back together. */
function backoffMs(firstMs: number, count: number): number {
  return Math.min(60_000, firstMs * 2 ** (count - 1)) * (1 - Math.random() / 4);
}

function describe(thrown: unknown, timeoutMs: number): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if (thrown instanceof APIError && thrown.status !== undefined) return thrown.message.slice(0, 2_000);
  if (/abort|timeout|timed out/i.test(`${thrown.name} ${thrown.message}`)) return `no answer within ${timeoutMs} ms`;
  const cause = thrown.cause instanceof Error ? ` (${innermost(thrown.cause)})` : '';
  return `${thrown.message}${cause}`.slice(0, 2_000);
}

function innermost(error: Error): string {
  return error.cause instanceof Error ? innermost(error.cause) : error.message;
}

function withoutKey(message: string, key: string | null): string {
  return key === null || key === '' ? message : message.replaceAll(key, '[key]');
}

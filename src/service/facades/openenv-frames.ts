import { z } from 'zod';
import { toKvalError } from '../../errors.js';
import { actionSchema, type Episode, type Observed, resetSchema, type stateSchema } from './openenv-episode.js';
import { isClientFault } from './patience.js';

export type Answer =
  | { readonly type: 'observation'; readonly data: Observed }
  | { readonly type: 'state'; readonly data: z.infer<typeof stateSchema> }
  | { readonly type: 'error'; readonly data: { readonly message: string; readonly code: string } };

const frameSchema = z.looseObject({ type: z.string(), data: z.unknown().optional() });

/** OpenEnv's answer to one frame of its WebSocket; null where the client says good-bye. It never throws. */
export async function answerFrame(episode: Episode, text: string, signal: AbortSignal): Promise<Answer | null> {
  const frame = frameSchema.safeParse(parsed(text));
  if (!frame.success) return refused('INVALID_JSON', 'a frame is a JSON object with a type');
  const { type, data } = frame.data;
  try {
    switch (type) {
      case 'reset':
        return { type: 'observation', data: await episode.reset(resetSchema.parse(data ?? {})) };
      case 'step':
        return { type: 'observation', data: await episode.step(actionSchema.parse(data), signal) };
      case 'state':
        return { type: 'state', data: episode.state() };
      case 'close':
        return null;
      default:
        return refused('UNKNOWN_TYPE', `there is no frame of type ${type}`);
    }
  } catch (thrown) {
    if (thrown instanceof z.ZodError) return refused('VALIDATION_ERROR', z.prettifyError(thrown));
    const { message, fix } = toKvalError(thrown);
    return refused(isClientFault(thrown) ? 'VALIDATION_ERROR' : 'EXECUTION_ERROR', `${message}. ${fix}`);
  }
}

function refused(code: string, message: string): Answer {
  return { type: 'error', data: { message, code } };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

import { type Settings, settingsSchema } from '../candidate.js';
import { readConfig, type Sandbox } from '../config.js';
import { KvalError, toKvalError } from '../errors.js';
import { Kval, type WantedDevice } from '../kval.js';

/** Aborted by the first Ctrl-C. */
export const stop = new AbortController();

/** Runs a verb: what it opens is closed, what it throws becomes an exit status with its advice. */
export async function run(
  options: { store?: string; sandbox?: Sandbox; queue?: string },
  verb: (kval: Kval) => Promise<void>,
): Promise<void> {
  let kval: Kval | undefined;
  try {
    const config = readConfig();
    const { sandbox = config.sandbox, queue = config.queue } = options;
    const place = options.store === undefined ? {} : { store: options.store };
    kval = new Kval({ ...config, sandbox, queue }, { ...place, onNotice: say });
    await verb(kval);
  } catch (thrown) {
    end(thrown);
  } finally {
    await kval?.close();
  }
}

/** The device that is asked for, and what follows from it unless it is named: the architecture, the size of problems. */
export async function settingsOf(
  kval: Kval,
  options: {
    device: WantedDevice;
    arch?: string;
    small?: boolean;
    fullSize?: boolean;
    buildTimeout?: number;
    executeTimeout?: number;
  } & Record<string, unknown>,
): Promise<Settings> {
  if (kval.config.queue !== null && options.device === 'auto') {
    throw new KvalError('usage', 'with a queue, --device must be named: the devices are not those of this machine');
  }
  const { words, ...chosen } =
    kval.config.queue === null
      ? await kval.chooseDevice(options.device, stop.signal)
      : {
          device: options.device,
          arch: null,
          small: options.device === 'cpu',
          words: `device ${options.device}, elsewhere`,
        };
  say(words);
  const { buildTimeout, executeTimeout } = options;
  return settingsSchema.parse({
    ...options,
    device: chosen.device,
    arch: options.arch ?? chosen.arch ?? undefined,
    small: options.fullSize === true ? false : (options.small ?? chosen.small),
    ...(buildTimeout === undefined ? {} : { buildTimeoutMs: buildTimeout * 1_000 }),
    ...(executeTimeout === undefined ? {} : { executeTimeoutMs: executeTimeout * 1_000 }),
  });
}

export function end(thrown: unknown): void {
  const error = toKvalError(thrown);
  process.stderr.write(`kval: ${error.message}\n${error.fix}\n`);
  if (error.code === 'internal' && error.cause instanceof Error) process.stderr.write(`${error.cause.stack ?? ''}\n`);
  process.exitCode = error.exitStatus;
}

export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** News for a person, beside the result. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

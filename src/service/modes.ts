import { setTimeout as sleep } from 'node:timers/promises';
import { KvalError, toKvalError } from '../errors.js';
import type { Kval, Mode, ValidatorConfig } from '../kval.js';
import type { HybridState, HybridValidator } from '../validator/hybrid.js';
import type { HybridPolicy } from '../validator/policy.js';
import type { SimulatedValidator } from '../validator/simulated.js';
import type { Validator } from '../validator/validator.js';
import type { ModeChoice } from './kept-mode.js';

/** The validator that judges at present, and what else its mode has at hand. */
export interface Present {
  readonly mode: Mode;
  readonly validator: Validator;
  /** Answers at once where a verdict would come too late; null where only the harness's word counts. */
  readonly simulated: SimulatedValidator | null;
  /** What a hybrid has done so far; null for the other modes. */
  hybridState(): HybridState | null;
  /** Names what its predictions depend on: the same text means the same predictions. */
  readonly id: string;
}

/** Whose word the present mode is: of nobody, of the command line, of a client before the last start, or since. */
export const choosers = ['default', 'command-line', 'kept', 'request'] as const;
export type Chooser = (typeof choosers)[number];

/** Which validator judges, changed while jobs are judged: those that have begun end where they began. */
export interface Modes {
  present(): Present;
  chosenBy(): Chooser;
  /** Why the present mode cannot judge yet; null once it can. */
  missing(): string | null;
  /** Resolves once a mode is open; rejects where the first cannot be opened, however long one waits. */
  readonly opened: Promise<void>;
  /** Lends the present validator to one job. */
  lend<T>(use: (present: Present) => Promise<T>): Promise<T>;
  /** Opens another validator, and changes to it once it is open; where that fails, all stays as it was. */
  change(choice: ModeChoice): Promise<void>;
  close(): Promise<void>;
}

export interface ModesOptions {
  readonly kval: Kval;
  readonly first: { readonly mode: Mode; readonly policy?: HybridPolicy | string };
  readonly chosenBy?: Chooser;
  /** What holds in every mode that names no other. */
  readonly own?: Omit<ValidatorConfig, 'mode'>;
  /** Done before a mode is opened. */
  readonly prepare?: (mode: Mode) => Promise<void>;
  /** Told of what a client asked for, once it is open. */
  readonly onChange?: (choice: ModeChoice) => void;
  /** Told why the first mode cannot be opened yet. */
  readonly onNotice?: (text: string) => void;
}

type Lent = Present & { users: number; retired: boolean };

/** How long an engine may take to say who it is, and when it is asked again. */
const patienceMs = 30_000;
const pauseMs = 2_000;

/** The first mode is opened while the service is there already: what it needs elsewhere may come later than the service. */
export function openModes(options: ModesOptions): Modes {
  const { kval, first, own = {}, prepare, onChange, onNotice } = options;
  let now = unopened(first.mode);
  let chosenBy = options.chosenBy ?? 'default';
  let missing: string | null = `${partsOf(first.mode, own.model)} has not answered yet`;
  /** Aborted once the first mode is not wanted any more. */
  const superseded = new AbortController();
  let closed = false;

  const openChoice = async (config: ModesOptions['first'], signal: AbortSignal): Promise<Lent> => {
    await prepare?.(config.mode);
    const late = AbortSignal.timeout(patienceMs);
    try {
      return await open(kval, { ...own, ...config }, AbortSignal.any([signal, late]));
    } catch (thrown) {
      if (!late.aborted || signal.aborted) throw thrown;
      const what = `${partsOf(config.mode, own.model)} gave no answer within ${patienceMs / 1_000} s`;
      throw new KvalError('endpoint-failed', what, { cause: thrown, retry: true });
    }
  };
  const changeTo = async (next: Lent): Promise<void> => {
    const last = now;
    now = next;
    missing = null;
    await retire(last);
  };
  const openFirst = async (): Promise<void> => {
    const { signal } = superseded;
    while (!signal.aborted) {
      try {
        const next = await openChoice(first, signal);
        if (signal.aborted) return await retire(next);
        return await changeTo(next);
      } catch (thrown) {
        if (signal.aborted) return;
        const { code, message, retry } = toKvalError(thrown);
        if (!retry && code !== 'endpoint-failed') throw thrown;
        if (missing !== message) onNotice?.(`not ready: ${message}`);
        missing = message;
      }
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
    }
  };
  const opened = openFirst();
  opened.catch(() => {}); // whoever waits for it hears of it

  const endUnused = async (lent: Lent): Promise<void> => {
    if (!lent.retired || lent.users > 0) return;
    await lent.validator.close();
    await lent.simulated?.close();
  };
  const retire = (lent: Lent): Promise<void> => {
    lent.retired = true;
    return endUnused(lent);
  };

  return {
    present: () => now,
    chosenBy: () => chosenBy,
    missing: () => missing,
    opened,
    async lend(use) {
      if (closed) throw new KvalError('closing', 'the service is closing', { retry: true });
      const lent = now;
      lent.users += 1;
      try {
        return await use(lent);
      } finally {
        lent.users -= 1;
        await endUnused(lent);
      }
    },
    async change(choice) {
      const { policy, ...mode } = choice;
      const next = await openChoice(policy === undefined ? mode : { ...mode, policy }, new AbortController().signal);
      superseded.abort();
      await changeTo(next);
      chosenBy = 'request';
      onChange?.(choice);
    },
    async close() {
      closed = true;
      superseded.abort();
      await opened.catch(() => {});
      await retire(now);
    },
  };
}

/** In the place of a validator that is not open yet. Nobody asks it: `missing` says so first. */
function unopened(mode: Mode): Lent {
  const validator: Validator = {
    name: 'none yet',
    validate: () => Promise.reject(new KvalError('starting', 'the service cannot judge yet', { retry: true })),
    close: async () => {},
  };
  return { mode, validator, simulated: null, hybridState: () => null, id: 'none yet', users: 0, retired: false };
}

function partsOf(mode: Mode, model: string | undefined): string {
  return mode === 'real' ? 'the harness' : `the simulator${model === undefined ? '' : ` at ${model}`}`;
}

async function open(kval: Kval, config: ValidatorConfig, signal: AbortSignal): Promise<Lent> {
  const { mode, model, policy } = config;
  const simulated = mode === 'real' ? null : await kval.simulated(model, signal);
  const hybrid: HybridValidator | null = mode === 'hybrid' ? await kval.hybrid(policy, model, signal) : null;
  const validator = hybrid ?? simulated ?? kval.real();
  const { engine = '', model: named = '', calibration = '' } = simulated?.simulator ?? {};
  const id = [mode, engine, named, calibration].join(':');
  return {
    mode,
    validator,
    simulated,
    hybridState: () => hybrid?.state() ?? null,
    id,
    users: 0,
    retired: false,
  };
}

import { KvalError } from '../errors.js';
import type { Kval, Mode, ValidatorConfig } from '../kval.js';
import type { HybridState, HybridValidator } from '../validator/hybrid.js';
import type { SimulatedValidator } from '../validator/simulated.js';
import type { Validator } from '../validator/validator.js';

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

/** Which validator judges, changed while jobs are judged: those that have begun end where they began. */
export interface Modes {
  present(): Present;
  /** Lends the present validator to one job. */
  lend<T>(use: (present: Present) => Promise<T>): Promise<T>;
  /** Opens another validator, and changes to it once it is open; where that fails, all stays as it was. */
  change(config: ValidatorConfig): Promise<void>;
  close(): Promise<void>;
}

type Lent = Present & { users: number; retired: boolean };

export async function openModes(kval: Kval, first: ValidatorConfig): Promise<Modes> {
  let now = await open(kval, first);
  let closed = false;

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
    async change(config) {
      const next = await open(kval, config);
      const last = now;
      now = next;
      await retire(last);
    },
    async close() {
      closed = true;
      await retire(now);
    },
  };
}

async function open(kval: Kval, config: ValidatorConfig): Promise<Lent> {
  const { mode, model, policy } = config;
  const simulated = mode === 'real' ? null : await kval.simulated(model);
  const hybrid: HybridValidator | null = mode === 'hybrid' ? await kval.hybrid(policy, model) : null;
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

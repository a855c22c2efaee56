import { makeCandidate, settingsSchema } from '../candidate.js';
import { toKvalError } from '../errors.js';
import type { Kval } from '../kval.js';
import type { Modes, Present } from './modes.js';

/** Whether the parts of the present mode have answered. */
export interface Probe {
  /** What is not ready, or null. Asks again what has not answered for a while; waits for nothing. */
  missing(): string | null;
}

const freshMs = 5_000;
const patienceMs = 5_000;

/** A simulator is asked for a prediction, the harness who it is, a queue whether a worker serves it. */
export function openProbe(kval: Kval, modes: Modes): Probe {
  let asked: { readonly present: Present; readonly at: number } | null = null;
  let answered: Present | null = null;
  let missing = 'nothing has answered yet';

  const ask = async (present: Present): Promise<void> => {
    try {
      if (present.simulated !== null) {
        await present.simulated.validate(await exampleJob(kval), { signal: AbortSignal.timeout(patienceMs) });
      }
      if (present.mode !== 'simulated') await kval.answers();
      answered = present;
    } catch (thrown) {
      if (answered === present) answered = null;
      missing = toKvalError(thrown).message;
    }
  };
  const askOnce = (present: Present): void => {
    const due = asked === null || asked.present !== present || performance.now() - asked.at > waitMs();
    if (!due) return;
    asked = { present, at: performance.now() };
    void ask(present);
  };
  const waitMs = (): number => (answered === null ? 2_000 : freshMs);

  void modes.opened.then(
    () => askOnce(modes.present()),
    () => {},
  );

  return {
    missing() {
      const present = modes.present();
      const opening = modes.missing();
      if (opening !== null) return `${present.mode}: ${opening}`;
      askOnce(present);
      return answered === present ? null : `${present.mode}: ${missing}`;
    },
  };
}

async function exampleJob(kval: Kval): Promise<Parameters<Present['validator']['validate']>[0]> {
  const [problem] = (await kval.store()).problems({ set: 'starter' });
  if (problem === undefined) throw new Error('a store has the starter problems');
  const source = 'class ModelNew:\n    pass\n';
  return { problem, candidate: makeCandidate({ source, problemId: problem.id }), settings: settingsSchema.parse({}) };
}

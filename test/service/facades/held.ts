import { dir } from 'tmp-promise';
import { settingsSchema } from '../../../src/candidate.js';
import { readConfig } from '../../../src/config.js';
import { Kval, type Mode } from '../../../src/kval.js';
import { openJudge } from '../../../src/service/judge.js';
import type { Present } from '../../../src/service/modes.js';
import { writeHandModel } from '../../simulator/hand-model.js';
import { onlyMode, openService, type Service } from '../open.js';
import { kernel } from './kernel.js';

/** A kernel of which the validator of `openHeldService` says nothing until it is released, or its callers are gone. */
export const heldKernel = (name: string): string => `${kernel}# held: ${name}\n`;

export interface HeldService extends Service {
  /** Resolves when a caller has been told that the queue is full. */
  turnedAway(): Promise<void>;
  /** The kernels held are judged. */
  release(): void;
}

/** A service in place of whose harness somebody says nothing of some kernels, and of others what a simulator does. */
export async function openHeldService(
  options: { readonly mode?: Mode; readonly queueLimit?: number; readonly deadlineMs?: number } = {},
): Promise<HeldService> {
  const { mode = 'real', queueLimit = 100, ...app } = options;
  const folder = await dir({ unsafeCleanup: true });
  await writeHandModel(folder.path);
  const kval = new Kval({ ...readConfig({}), home: folder.path });
  const simulated = await kval.simulated(folder.path);
  // Nothing is executed, so no harness has to be started to look at shapes.
  const store = await kval.store();
  store.putProblems(store.problems().map((problem) => ({ ...problem, shapeHash: 'not looked at' })));
  let release = (): void => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  const present: Present = {
    mode,
    validator: {
      name: 'held',
      async validate(job, wanted) {
        if (job.candidate.source.includes('# held')) {
          const gone = new Promise((_, reject) => {
            wanted?.signal?.addEventListener('abort', () => reject(wanted.signal?.reason));
          });
          await Promise.race([released, gone]);
        }
        return simulated.validate(job, wanted);
      },
      close: async () => {},
    },
    simulated: mode === 'hybrid' ? simulated : null,
    hybridState: () => null,
    id: 'held',
  };
  const judge = await openJudge({
    kval,
    modes: onlyMode(present),
    settings: settingsSchema.parse({}),
    reward: 'kevin',
    queueLimit,
  });
  let tell = (): void => {};
  const turnedAway = new Promise<void>((resolve) => (tell = resolve));
  const service = await openService({
    ...app,
    judge: {
      ...judge,
      judge: (request, call) =>
        judge.judge(request, call).catch((thrown: unknown) => {
          if (thrown instanceof Error && 'code' in thrown && thrown.code === 'busy') tell();
          throw thrown;
        }),
    },
  });
  return {
    ...service,
    turnedAway: () => turnedAway,
    release,
    async close() {
      await service.close();
      await simulated.close();
      await kval.close();
      await folder.cleanup();
    },
  };
}

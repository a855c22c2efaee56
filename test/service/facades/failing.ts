import { dir } from 'tmp-promise';
import { settingsSchema } from '../../../src/candidate.js';
import { readConfig } from '../../../src/config.js';
import { KvalError } from '../../../src/errors.js';
import { Kval } from '../../../src/kval.js';
import { type Judge, openJudge } from '../../../src/service/judge.js';
import type { Present } from '../../../src/service/modes.js';
import { onlyMode } from '../open.js';

/** A judge whose validator cannot judge, for a real service around it. */
export async function openFailingJudge(): Promise<{ judge: Judge; close(): Promise<void> }> {
  const folder = await dir({ unsafeCleanup: true });
  const kval = new Kval({ ...readConfig({}), home: folder.path });
  const validator = {
    name: 'failing',
    validate: () => Promise.reject(new KvalError('worker-died', 'the worker is gone', { retry: true })),
    close: async () => {},
  };
  const present: Present = { mode: 'simulated', validator, simulated: null, hybridState: () => null, id: 'failing' };
  const judge = await openJudge({
    kval,
    modes: onlyMode(present),
    settings: settingsSchema.parse({}),
    reward: 'kevin',
    queueLimit: 100,
  });
  return {
    judge,
    async close() {
      await kval.close();
      await folder.cleanup();
    },
  };
}

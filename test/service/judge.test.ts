import { dir } from 'tmp-promise';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { settingsSchema } from '../../src/candidate.js';
import { readConfig } from '../../src/config.js';
import { Kval, type Mode } from '../../src/kval.js';
import { type Judge, openJudge } from '../../src/service/judge.js';
import { judgeRequestSchema } from '../../src/service/request.js';
import type { SimulatedValidator } from '../../src/validator/simulated.js';
import { kernel, problemId } from './facades/kernel.js';
import { onlyMode } from './open.js';

let folder: Awaited<ReturnType<typeof dir>>;
let kval: Kval;
let simulated: SimulatedValidator;
beforeAll(async () => {
  folder = await dir({ unsafeCleanup: true });
  kval = new Kval({ ...readConfig({}), home: folder.path });
  simulated = await kval.simulated();
});
afterAll(async () => {
  await kval.close();
  await folder.cleanup();
});

const request = judgeRequestSchema.parse({ kernel, problem_id: problemId });

/** A judge whose validator is as slow as it is told to be; it speaks the simulator's words, so that nothing is built. */
async function openSlow(
  mode: Mode,
  queueLimit = 10,
): Promise<{ judge: Judge; asked: AbortSignal[]; release: () => void }> {
  const asked: AbortSignal[] = [];
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const present = {
    mode,
    id: `slow ${mode}`,
    simulated: mode === 'real' ? null : simulated,
    hybridState: () => null,
    validator: {
      name: `slow ${mode}`,
      async validate(...[job, options]: Parameters<SimulatedValidator['validate']>) {
        if (options?.signal !== undefined) asked.push(options.signal);
        await released;
        return simulated.validate(job);
      },
      close: async () => {},
    },
  };
  const judge = await openJudge({
    kval,
    modes: onlyMode(present),
    settings: settingsSchema.parse({}),
    reward: 'kevin',
    queueLimit,
  });
  return { judge, asked, release: () => release() };
}

it('is late without a simulator at hand; the work goes on, and whoever asks again gets its verdict', async () => {
  // The problem's shapes are asked of the harness only where it judges, and here it only pretends to.
  const { judge, asked, release } = await openSlow('simulated');
  await expect(judge.judge(request, { deadlineMs: 5 })).rejects.toMatchObject({ code: 'deadline', retry: true });
  expect(judge.pending()).toBe(1);
  const again = judge.judge(request);
  release();
  expect(await again).toMatchObject({ validator: 'slow simulated', cached: 0, infra_ok: 1 });
  expect(asked.map(({ aborted }) => aborted)).toEqual([false]);
  expect(judge.pending()).toBe(0);
});

it("answers in a hybrid's place when the harness is late, and says so", async () => {
  const { judge, release } = await openSlow('hybrid');
  const reply = await judge.judge(request, { deadlineMs: 5 });
  expect(reply).toMatchObject({ predicted: 1, mode: 'hybrid', reason: 'the harness was not done in time' });
  expect(reply.validator).toBe(simulated.name);
  release();
}, 60_000);

it('judges a kernel once for all who ask, and stops when the last has gone', async () => {
  const { judge, asked } = await openSlow('simulated');
  const [first, second] = [new AbortController(), new AbortController()];
  const both = [first, second].map(({ signal }) => judge.judge(request, { signal }));
  first.abort();
  await expect(both[0]).rejects.toMatchObject({ code: 'interrupted' });
  expect(asked.map(({ aborted }) => aborted)).toEqual([false]);
  second.abort();
  await expect(both[1]).rejects.toMatchObject({ code: 'interrupted' });
  expect(asked.map(({ aborted }) => aborted)).toEqual([true]);
});

it('takes no more different kernels than its queue holds, and the same one always', async () => {
  const { judge, release } = await openSlow('simulated', 1);
  const waiting = judge.judge(request);
  const other = { ...request, kernel: `${kernel}\n# another\n` };
  await expect(judge.judge(other)).rejects.toMatchObject({ code: 'busy', retry: true });
  const same = judge.judge(request);
  release();
  expect((await waiting).job_key).toBe((await same).job_key);
  expect(await judge.judge(other)).toMatchObject({ infra_ok: 1 });
});

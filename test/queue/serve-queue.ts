import { z } from 'zod';
import { readConfig } from '../../src/config.js';
import { runWorker } from '../../src/queue/work.js';
import { createRealValidator, openHarness } from '../../src/validator/real.js';
import { problem } from '../../src/worker/protocol.js';

export const serveOptionsSchema = z.object({
  url: z.string(),
  kval: z.string(),
  home: z.string(),
  /** Of the Python worker behind it: a small program that pretends. */
  command: z.tuple([z.string()], z.string()),
  lanes: z.object({ none: z.number().optional(), cuda: z.number().optional() }),
  lockMs: z.number(),
  drainMs: z.number(),
});

/** A worker process. A candidate with the word `poison` ends it. */
export async function main(options: string): Promise<void> {
  const { home, command, lanes, ...rest } = serveOptionsSchema.parse(JSON.parse(options));
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort());
  const config = { ...readConfig(), home, workers: 4 };
  const pool = openHarness(config, {
    command,
    environment: { PATH: process.env.PATH ?? '', PYTHONUNBUFFERED: '1', PYTHONDONTWRITEBYTECODE: '1' },
    retryDelaysMs: [10],
    limits: { cancelGraceMs: 200 },
  });
  const report = await runWorker({
    ...rest,
    lanes: {
      ...(lanes.none === undefined ? {} : { none: lanes.none }),
      ...(lanes.cuda === undefined ? {} : { cuda: lanes.cuda }),
    },
    signal: stop.signal,
    describe: async ({ id, source }, signal) =>
      (await pool.ask(problem, { about: id, on: 'build', params: () => ({ source }), signal })).result,
    onServing: () => process.stdout.write('serving\n'),
    open: (onProgress) => {
      const real = createRealValidator({ config, pool, onProgress });
      return {
        ...real,
        validate: (job, asked) => {
          if (job.candidate.source.includes('poison')) process.kill(process.pid, 'SIGKILL');
          return real.validate(job, asked);
        },
      };
    },
  });
  await pool.close();
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

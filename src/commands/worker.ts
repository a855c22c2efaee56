import type { Command } from 'commander';
import { KvalError } from '../errors.js';
import type { WantedDevice } from '../kval.js';
import { deviceOption, positive, queueOption, sandboxOption, whole } from './options.js';
import { print, run, say, stop } from './run.js';

interface WorkerOptions {
  readonly queue?: string;
  readonly device: WantedDevice;
  readonly concurrency?: number;
  readonly lock: number;
  readonly drain: number;
}

/** This machine as one box of many. */
export function workerCommands(program: Command): void {
  program
    .command('worker')
    .description('judge what others put on a queue: builds, and executions on this device; until SIGTERM')
    .addOption(queueOption())
    .addOption(deviceOption())
    .addOption(sandboxOption())
    .option('--concurrency <number>', 'builds at once, and executions on the device cpu (default: KVAL_WORKERS)', whole)
    .option(
      '--lock <seconds>',
      'without a sign of life for so long a worker is dead, and others do its jobs',
      positive,
      30,
    )
    .option('--drain <seconds>', 'how long jobs may take to end after SIGTERM; then they go back', positive, 20)
    .action((options: WorkerOptions) =>
      run(options, async (kval) => {
        const { queue } = kval.config;
        if (queue === null) {
          throw new KvalError('usage', 'a worker needs a queue', { fix: 'Name it with --queue, or in KVAL_QUEUE.' });
        }
        const { judged, failed, returned } = await kval.work({
          queue,
          device: options.device,
          ...(options.concurrency === undefined ? {} : { concurrency: Math.max(1, options.concurrency) }),
          lockMs: options.lock * 1_000,
          drainMs: options.drain * 1_000,
          signal: stop.signal,
          onServing: say,
        });
        print(`${judged} judged, ${failed} failed, ${returned} given back`);
      }),
    );
}

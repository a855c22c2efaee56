import { z } from 'zod';
import { startWorker } from '../../src/worker/process.js';

/** Starts a worker, says its process id, and waits for ever. */
export async function main(command: string, logFolder: string): Promise<void> {
  const [program = '', ...args] = z.array(z.string()).parse(JSON.parse(command));
  const environment = { PATH: process.env.PATH ?? '' };
  const worker = await startWorker({ command: [program, ...args], environment, name: 'kept', logFolder });
  process.stdout.write(`worker ${worker.pid}\n`);
  await new Promise(() => setInterval(() => {}, 1_000));
}

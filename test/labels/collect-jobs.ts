import { appendFileSync, existsSync } from 'node:fs';
import { collect } from '../../src/labels/collect.js';
import { LabelStore } from '../../src/labels/store.js';
import { exampleJob, exampleMeasured } from './examples.js';

/**
 * Labels `count` jobs with a validator that takes `ms` for each and writes down what it was asked. With `go`, it says
 * `ready` and begins when that file is there, so that two processes begin together however busy the machine is.
 */
export async function main(path: string, log: string, who: string, count: string, ms: string, go = ''): Promise<void> {
  const store = LabelStore.open(path);
  if (go !== '') process.stdout.write('ready\n');
  while (go !== '' && !existsSync(go)) await new Promise((resolve) => setTimeout(resolve, 5));
  const report = await collect({
    jobs: Array.from({ length: Number(count) }, (_, index) => exampleJob(`job ${index}`)),
    validator: {
      name: who,
      validate: async (job) => {
        appendFileSync(log, `${who} ${job.candidate.hash}\n`);
        await new Promise((resolve) => setTimeout(resolve, Number(ms)));
        return exampleMeasured(job);
      },
      close: async () => {},
    },
    store,
    concurrency: 2,
    pollMs: 20,
    onProgress: ({ labelled }) => process.stdout.write(`labelled ${labelled}\n`),
  });
  process.stdout.write(`done ${report.done} of ${report.total}\n`);
  store.close();
}

import { LabelStore } from '../../src/labels/store.js';
import { exampleJob, exampleMeasured } from './examples.js';

/** Appends `count` labels of its own to a store, saying each one's number once it is in. */
export async function main(path: string, who: string, count: string): Promise<void> {
  const store = LabelStore.open(path);
  for (let index = 0; index < Number(count); index++) {
    const job = exampleJob(`${who} ${index}`);
    store.append(exampleMeasured(job, { status: 'built' }, 'log '.repeat(2_000)), job);
    process.stdout.write(`stored ${index}\n`);
  }
  store.close();
}

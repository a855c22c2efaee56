import { dir } from 'tmp-promise';
import { writeHandModel } from '../../simulator/hand-model.js';
import { openService, type Service } from '../open.js';

/** A service whose simulator is made by hand: its verdicts do not change when the one that ships does. */
export async function openHandService(options: Parameters<typeof openService>[0] = {}): Promise<Service> {
  const model = await dir({ unsafeCleanup: true });
  await writeHandModel(model.path);
  const service = await openService({ ...options, config: { mode: 'simulated', model: model.path } });
  return {
    ...service,
    async close() {
      await service.close();
      await model.cleanup();
    },
  };
}

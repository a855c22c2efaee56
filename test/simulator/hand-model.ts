import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeCalibration } from '../../src/simulator/calibration.js';
import { loadEmbeddedModel } from '../../src/simulator/embedded.js';
import { featureNames, featureVersion } from '../../src/simulator/features.js';

/** A model made by hand: a kernel with a finding that breaks builds does not compile, any other does, and is right 3 in 4. */
export async function writeHandModel(folder: string): Promise<void> {
  const constant = (base: number) => ({
    base,
    roots: [],
    feature: [],
    threshold: [],
    left: [],
    right: [],
    missing: [],
    leaves: [],
  });
  const model = {
    format: 'kval-embedded',
    formatVersion: 4,
    featureVersion,
    dataset: 'by hand',
    grams: [],
    heads: {
      compiled: {
        boosted: [
          {
            base: 0,
            roots: [0],
            feature: [featureNames.indexOf('broken')],
            threshold: [0.5],
            left: [-1],
            right: [-2],
            missing: [0],
            leaves: [3, -3],
          },
        ],
        random: null,
      },
      correct: { boosted: [constant(Math.log(3))], random: null },
      correctOnceBuilt: null,
      invalid: null,
      ran: null,
      runtime: { low: constant(0), median: constant(Math.log(2)), high: constant(Math.log(4)) },
      speedup: null,
    },
  };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'model.json'), JSON.stringify(model));
  const { id } = await loadEmbeddedModel(folder);
  const head = { curve: { kind: 'platt', slope: 1, offset: 0 }, basis: 'none', rows: 1000 } as const;
  await writeFile(
    join(folder, 'calibration.json'),
    JSON.stringify(makeCalibration(id, { compiled: head, correct: head })),
  );
}

import { describe, expect, it } from 'vitest';
import { settingsSchema } from '../../src/candidate.js';
import { readConfig } from '../../src/config.js';
import { readCandidates } from '../../src/import/candidates.js';
import { readProblems } from '../../src/import/problems.js';
import { rocAucOf } from '../../src/report/metrics.js';
import { openEmbeddedSimulator } from '../../src/simulator/embedded.js';

describe('the simulator that ships', () => {
  const config = readConfig();

  it('loads, and tells kernels that compile from others better than chance on kernels it never saw', async () => {
    const simulator = await openEmbeddedSimulator({ folder: config.embeddedModelFolder });
    const problems = (await readProblems(config.starterFolder)).items;
    const { items } = await readCandidates(config.starterCandidatesFolder, {
      format: 'files',
      set: 'starter',
      problems,
    });
    const judged = [];
    for (const { candidate } of items) {
      const problem = problems.find(({ id }) => id === candidate.problemId);
      const expected = /expected: (\S+)/.exec(candidate.source)?.[1] ?? '';
      if (problem === undefined || expected === 'invalid') continue;
      const { probabilities } = await simulator.predict({ problem, candidate, settings: settingsSchema.parse({}) });
      judged.push({ probability: probabilities.compiled, truth: !/^(?:compile|load)-error$/.test(expected) });
    }
    expect(judged.length).toBeGreaterThan(90);
    expect(rocAucOf(judged)).toBeGreaterThan(0.6);
    await simulator.close();
  });

  it('says nothing of what it was not trained on', async () => {
    const simulator = await openEmbeddedSimulator({ folder: config.embeddedModelFolder });
    const [problem] = (await readProblems(config.starterFolder)).items;
    const [first] = (
      await readCandidates(config.starterCandidatesFolder, {
        format: 'files',
        set: 'starter',
        problems: problem ? [problem] : [],
      })
    ).items;
    if (problem === undefined || first === undefined) throw new Error('no starter kernel');
    const said = await simulator.predict({ problem, candidate: first.candidate, settings: settingsSchema.parse({}) });
    expect(said.probabilities.correct).toBeNull();
    expect(said.runtimeMs).toBeNull();
    await simulator.close();
  });
});

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { readConfig } from '../../../src/config.js';
import { openService } from '../open.js';
import { problemId } from './kernel.js';

const { root, starterCandidatesFolder } = readConfig({});
const python = join(root, '.venv', 'bin', 'python');
const missing = spawnSync(python, ['-c', 'import openenv.core']).status !== 0;

it("passes OpenEnv's validator, and its client plays a turn", async ({ skip }) => {
  skip(missing, 'openenv is not in the Python environment');
  const service = await openService({ token: 'a-long-secret' });
  try {
    const url = `${service.url}/t/a-long-secret/openenv`;
    const script = join(root, 'test/service/facades/openenv_client.py');
    const kernelFile = join(starterCandidatesFolder, '7_ReLU', 'float4.py');
    const { stdout } = await execa(python, [script, url, problemId, kernelFile]);
    const said = JSON.parse(stdout);
    expect(Object.entries(said.criteria).filter(([, passed]) => passed !== true)).toEqual([]);
    expect(said).toMatchObject({ passed: true, reset: 0, step: true, state: { step_count: 1, problem_id: problemId } });
  } finally {
    await service.close();
  }
}, 60_000);

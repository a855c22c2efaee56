import { describe, expect, it } from 'vitest';
import { makeCandidate, settingsSchema } from '../../src/candidate.js';
import { readConfig } from '../../src/config.js';
import { readCandidates } from '../../src/import/candidates.js';
import { readProblems } from '../../src/import/problems.js';
import { makeProblem } from '../../src/problem.js';
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

  it.each([
    ['nothing at all', 'class ModelNew: pass'],
    [
      'a good kernel in a text, and its builder in a comment',
      'class ModelNew:\n    cuda = "__global__ void f() {}"\n# load_inline()',
    ],
    [
      'a builder, but no model',
      'from torch.utils.cpp_extension import load_inline\nk = load_inline(name="k", cpp_sources="")',
    ],
  ])('does not take %s for a kernel', async (_what, source) => {
    const simulator = await openEmbeddedSimulator({ folder: config.embeddedModelFolder });
    const [problem] = (await readProblems(config.starterFolder)).items;
    if (problem === undefined) throw new Error('there are starter problems');
    const candidate = makeCandidate({ source, problemId: problem.id });
    const { probabilities, outcomes } = await simulator.predict({
      problem,
      candidate,
      settings: settingsSchema.parse({}),
    });
    expect(probabilities).toEqual({ compiled: 0.01, correct: expect.closeTo(0.01, 1) });
    expect(outcomes?.invalid).toBeGreaterThan(0.95);
    expect(Object.values(outcomes ?? {}).reduce((sum, chance) => sum + chance, 0)).toBeCloseTo(1, 9);
  });

  it('says how likely a kernel is right and how long it takes, and that a build settles whether it compiles', async () => {
    const simulator = await openEmbeddedSimulator({
      folder: config.embeddedModelFolder,
      referenceRuntimeMs: () => 2,
    });
    const [problem] = (await readProblems(config.starterFolder)).items;
    const [first] = (
      await readCandidates(config.starterCandidatesFolder, {
        format: 'files',
        set: 'starter',
        problems: problem ? [problem] : [],
      })
    ).items;
    if (problem === undefined || first === undefined) throw new Error('no starter kernel');
    const job = { problem, candidate: first.candidate, settings: settingsSchema.parse({}) };
    const said = await simulator.predict(job);
    const built = await simulator.predict(job, { built: true });
    expect(said.probabilities.correct).toBeLessThanOrEqual(said.probabilities.compiled);
    expect(built.probabilities.compiled).toBe(1);
    expect(built.probabilities.correct).toBeGreaterThanOrEqual(said.probabilities.correct ?? 1);
    expect(said.runtimeMs?.low).toBeLessThanOrEqual(said.runtimeMs?.median ?? 0);
    expect(said.speedup).toBeCloseTo(2 / (said.runtimeMs?.median ?? 1));
    await simulator.close();
  });

  it('knows weights that are drawn otherwise for a mistake', async () => {
    const simulator = await openEmbeddedSimulator({ folder: config.embeddedModelFolder });
    const problem = makeProblem({ set: 'own', level: 2, number: 1, name: 'linear', source: linearProblem });
    const chance = async (source: string): Promise<number> => {
      const candidate = makeCandidate({ source, problemId: problem.id });
      const { probabilities } = await simulator.predict({ problem, candidate, settings: settingsSchema.parse({}) });
      return probabilities.correct ?? Number.NaN;
    };
    const kept = linearCandidate('self.gemm = nn.Linear(features, features)', 'self.gemm(x)');
    const redrawn = linearCandidate(
      'self.weight = nn.Parameter(torch.randn(features, features))',
      'torch.matmul(x, self.weight.t())',
    );
    expect(await chance(kept)).toBeGreaterThan(0.5);
    expect(await chance(redrawn)).toBeLessThan(0.2);
    await simulator.close();
  });
});

const linearProblem = `import torch
import torch.nn as nn
class Model(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.gemm = nn.Linear(features, features)
    def forward(self, x):
        return torch.relu(self.gemm(x))
def get_inputs():
    return [torch.rand(128, 512)]
def get_init_inputs():
    return [512]
`;

function linearCandidate(construction: string, call: string): string {
  return `import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline
source = """
#include <torch/extension.h>
#include <cuda_runtime.h>
__global__ void relu_kernel(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = fmaxf(x[i], 0.0f);
}
torch::Tensor relu_cuda(torch::Tensor x) {
  auto y = torch::empty_like(x);
  int n = x.numel();
  relu_kernel<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
  return y;
}
"""
relu = load_inline(name="relu", cpp_sources="torch::Tensor relu_cuda(torch::Tensor x);", cuda_sources=source, functions=["relu_cuda"])
class ModelNew(nn.Module):
    def __init__(self, features):
        super().__init__()
        ${construction}
    def forward(self, x):
        return relu.relu_cuda(${call}.contiguous())
`;
}

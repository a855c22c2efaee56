import { describe, expect, it } from 'vitest';
import { extractFeatures, featureNames } from '../../src/simulator/features.js';
import { readModules } from '../../src/simulator/module-text.js';
import { outputRank } from '../../src/simulator/output-rank.js';
import { readPython } from '../../src/simulator/python-text.js';

const problem = `import torch
import torch.nn as nn
class Model(nn.Module):
    def __init__(self, channels, kernel_size: tuple, bias=False):
        super().__init__()
        self.conv = nn.Conv2d(channels, 8, 3, bias=bias)
        self.bn = nn.BatchNorm2d(8)
        self.shift = nn.Parameter(torch.randn(8, 1, 1))
    def forward(self, x):
        x = self.bn(self.conv(x)) + self.shift
        return torch.sum(torch.relu(x), dim=1)
batch = 2 * 8
height = width = 32
def get_inputs():
    return [torch.rand(batch, 3, height, width)]
def get_init_inputs():
    return [3, (3, 3)]
`;

const sound = `import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline
source = """
#include <torch/extension.h>
__global__ void relu_sum(const float* x, float* y, int n) { y[threadIdx.x] = fmaxf(x[threadIdx.x], 0.0f); }
torch::Tensor finish(torch::Tensor x, int steps) {
  auto y = torch::empty({x.size(0), x.size(2), x.size(3)}, x.options());
  relu_sum<<<1, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), steps);
  return y;
}
"""
ext = load_inline(name="e", cpp_sources="torch::Tensor finish(torch::Tensor x, int steps);", cuda_sources=source, functions=["finish"])
class ModelNew(nn.Module):
    def __init__(self, channels, kernel_size: tuple, bias=False):
        super().__init__()
        self.conv = nn.Conv2d(channels, 8, 3, bias=bias)
        self.bn = nn.BatchNorm2d(8)
        self.shift = nn.Parameter(torch.randn(8, 1, 1))
    def forward(self, x):
        x = self.bn(self.conv(x)) + self.shift
        return ext.finish(x.contiguous(), 4)
`;

describe('what a candidate does against what its problem does', () => {
  it('has nothing against a candidate that keeps to the problem', () => {
    const features = featuresOf(sound);
    for (const name of ['doubtful', 'broken', 'weights.missing', 'weights.extra', 'shape.answerRankDiffers']) {
      expect([name, features.get(name)]).toEqual([name, 0]);
    }
    expect(features.get('weights.wanted')).toBe(2);
    expect(features.get('todo.conv')).toBe(0);
    expect(features.get('todo.reduction')).toBe(1);
    expect(features.get('problem.inputElements')).toBeCloseTo(Math.log1p(16 * 3 * 32 * 32));
  });

  const flaws: readonly (readonly [feature: string, from: string | RegExp, to: string])[] = [
    ['weights.differ', 'nn.Conv2d(channels, 8, 3, bias=bias)', 'nn.Parameter(torch.randn(8, 3, 3, 3))'],
    ['weights.extra', 'nn.BatchNorm2d(8)', 'nn.Linear(8, 8)'],
    ['weights.otherArguments', 'nn.Conv2d(channels, 8, 3, bias=bias)', 'nn.Conv2d(channels, 8, 5)'],
    ['todo.conv', 'self.bn(self.conv(x))', 'self.bn(x)'],
    ['call.wrongCount', 'x.contiguous(), 4', 'x.contiguous()'],
    ['call.tupleForInt', 'x.contiguous(), 4', 'x.contiguous(), self.kernel_size'],
    ['call.noneForTensor', 'x.contiguous(), 4', 'self.conv.bias, 4'],
    ['mode.batchNormFrozen', 'x = self.bn(self.conv(x))', 'x = self.conv(x) - self.bn.running_mean'],
    ['shape.answerRankDiffers', '{x.size(0), x.size(2), x.size(3)}', '{x.size(0)}'],
    ['shape.onCpu', 'x.size(3)}, x.options()', 'x.size(3)}'],
    ['shape.guessedPadding', 'x.contiguous(), 4', 'x.contiguous(), 8 // 2'],
    ['cu.sharedWithoutBarrier', '{ y[threadIdx.x]', '{ __shared__ float s[4]; y[threadIdx.x]'],
    ['cu.axisNotLaunched', 'y[threadIdx.x] =', 'y[threadIdx.y] ='],
  ];
  it.each(flaws)('sees %s', (feature, from, to) => {
    const text = sound.replace(from, to);
    expect(text).not.toBe(sound);
    expect(featuresOf(sound).get(feature)).toBe(0);
    expect(featuresOf(text).get(feature)).toBeGreaterThan(0);
  });

  it('takes an initialisation that draws what the module would draw for the same', () => {
    const imitated = sound.replace(
      'nn.Conv2d(channels, 8, 3, bias=bias)',
      'nn.Parameter(torch.empty(8, 3, 3, 3)); nn.init.kaiming_uniform_(self.conv, a=math.sqrt(5))',
    );
    expect(featuresOf(imitated).get('weights.differ')).toBe(0);
    expect(featuresOf(imitated).get('weights.imitated')).toBe(1);
  });

  it('follows constructors into the classes and methods of the file', () => {
    const text = `class Block(nn.Module):
    def __init__(self):
        self.inner = nn.Linear(3, 3)
class Twice(Block):
    def __init__(self):
        super().__init__()
        self.outer = nn.Conv1d(3, 3, 1)
class Model(nn.Module):
    def __init__(self):
        self.a = Twice()
        self.b = self.make(2)
        self.c = nn.Linear(4, 4)
    def make(self, n):
        return nn.Conv2d(n, n, 1)
    def forward(self, x):
        return self.c(self.a(x))
`;
    expect(readModules(readPython(text)).constructions.map(({ kind }) => kind)).toEqual([
      'Linear',
      'Conv1d',
      'Conv2d',
      'Linear',
    ]);
  });

  it.each([
    ['x.mean(dim=(2, 3))', 2],
    ['torch.mean(x, dim=1, keepdim=True)', 4],
    ['torch.max(x.view(2, -1), dim=1)[0]', 1],
    ['torch.nn.functional.mse_loss(x, x)', 0],
    ['x.flatten(1).unsqueeze(2)', 3],
  ])('counts the dimensions of %s', (expression, rank) => {
    const text = `class Model(nn.Module):\n    def forward(self, x):\n        return ${expression}\n`;
    expect(outputRank(readModules(readPython(text)), 4, () => undefined)).toBe(rank);
  });

  it('comes to an end on hostile models', () => {
    const calls = (name: string, next: string): string =>
      `    def ${name}(self):\n${`        self.${next}()\n`.repeat(50)}`;
    const names = Array.from({ length: 12 }, (_, index) => calls(`f${index}`, `f${index + 1}`)).join('');
    for (const body of [
      `    def __init__(self):\n        self.f0()\n${names}`,
      `    def forward(self, x):\n        return ${'x.view('.repeat(5000)}`,
      `    def __init__(self):\n        self.a = ${'b if c else None '.repeat(5000)}`,
      `    def __init__(self):\n${'        self.a = nn.Linear(3, 3)\n'.repeat(2000)}`,
    ]) {
      expect(featuresOf(`class ModelNew(nn.Module):\n${body}`).get('weights.wanted')).toBe(2);
    }
  }, 60_000);
});

function featuresOf(candidate: string): Map<string, number> {
  const job = { problem, level: 2, candidate, language: 'python', device: null, referenceRuntimeMs: null } as const;
  const values = extractFeatures(job, () => {});
  return new Map(featureNames.map((name, index) => [name, values[index] ?? Number.NaN]));
}

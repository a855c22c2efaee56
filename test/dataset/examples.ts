import type { LabelledExample } from '../../src/dataset/row.js';
import { sha256 } from '../../src/problem.js';

/** A labelled kernel of our own making; what the tests do not name stays plain. */
export function example(
  parts: {
    problem?: string;
    set?: string;
    kernel?: string;
    generator?: string;
    label?: Partial<LabelledExample['label']>;
  } = {},
): LabelledExample {
  const id = parts.problem ?? 'level1/1';
  const source = `import torch\n\n\nclass Model(torch.nn.Module):\n    def forward(self, x):\n        return torch.relu(x)  # ${id}\n`;
  const kernel = parts.kernel ?? 'class ModelNew: pass\n';
  return {
    problem: {
      id,
      set: parts.set ?? 'kernelbench',
      level: 1,
      sourceHash: sha256(source),
      source,
      name: `${id}.py`,
    },
    candidate: {
      hash: sha256('python', kernel),
      language: 'python',
      source: kernel,
      generator: parts.generator ?? 'model-a',
      run: 'run-1',
    },
    label: {
      source: 'harness',
      fidelity: 'measured',
      status: null,
      compiled: true,
      correct: true,
      runtimeMs: 1.5,
      device: 'Test GPU',
      referenceRuntimeMs: 3,
      diagnostics: [],
      build: null,
      ...parts.label,
    },
  };
}

export const failed = { compiled: false, correct: false, runtimeMs: null, referenceRuntimeMs: null } as const;

/** A kernel in the usual shape. Each seed gives another operator, other names and other arithmetic. */
export function kernelText(seed: number, options: { broken?: boolean; wrong?: boolean } = {}): string {
  const random = generator(seed);
  const name = `op_${pick(random, ['relu', 'gelu', 'scale', 'shift', 'clamp', 'square', 'mish', 'swish'])}_${seed}`;
  const statements = Array.from({ length: 4 + Math.floor(random() * 8) }, (_, line) => {
    const [a, b] = [pick(random, operands), pick(random, operands)];
    return `    float v${line} = ${a} ${pick(random, ['+', '-', '*'])} ${b} * ${(random() * 9).toFixed(2)}f;`;
  });
  const check = options.broken === true ? '  C10_CUDA_KERNEL_LAUNCH_CHECK();\n' : '';
  const guard = options.wrong === true ? '' : '  if (i < n) ';
  return `import torch
from torch.utils.cpp_extension import load_inline

source = """
#include <torch/extension.h>
__global__ void ${name}(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
${guard}{
    float x0 = x[i];
${statements.join('\n')}
    y[i] = v0${options.wrong === true ? ' + 1.0f' : ''};
  }
}
torch::Tensor run_${seed}(torch::Tensor x) {
  auto y = torch::empty_like(x);
  int n = x.numel();
  ${name}<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
${check}  return y;
}
"""
module = load_inline(name="m_${seed}", cpp_sources="torch::Tensor run_${seed}(torch::Tensor x);", cuda_sources=source, functions=["run_${seed}"])


class ModelNew(torch.nn.Module):
    def forward(self, x):
        return module.run_${seed}(x)
`;
}

const operands = ['x0', 'x0 * x0', 'fabsf(x0)', 'expf(x0)', 'sinf(x0)', 'fmaxf(x0, 0.0f)', 'rsqrtf(x0 + 1.0f)'];

function pick(random: () => number, choices: readonly string[]): string {
  return choices[Math.floor(random() * choices.length)] ?? '';
}

/** Mulberry32. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A labelled set that can be learned: a call without its header does not compile, a missing bounds check is wrong. */
export function learnable(rows: number): LabelledExample[] {
  const random = generator(7);
  return Array.from({ length: rows }, (_, seed) => {
    const broken = random() < 0.35;
    const wrong = random() < 0.4;
    const right = !broken && !wrong;
    return example({
      problem: `level1/${1 + (seed % 40)}`,
      kernel: kernelText(seed, { broken, wrong }),
      generator: `model-${seed % 3}`,
      label: {
        compiled: !broken,
        correct: right,
        runtimeMs: right ? 0.5 + (seed % 40) / 10 + random() / 10 : null,
        referenceRuntimeMs: right ? 1 + (seed % 40) / 5 : null,
      },
    });
  });
}

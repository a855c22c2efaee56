import { sha256 } from '../problem.js';
import { buildFeatureNames } from './build-features.js';
import { readBuilds } from './builds-text.js';
import { addGrams, gramColumns } from './grams.js';
import { type JobText, problemOperators } from './job-text.js';
import { breaking, describe, doubtful } from './parsed-features.js';
import { readPython } from './python-text.js';

export { gramColumns } from './grams.js';
export type { JobText } from './job-text.js';

/**
 * The parsed features of a job, in the order of `featureNames` (NaN where nothing is known). Calls `addGram` with the
 * column of every hashed token, pair of tokens and suspicious name.
 */
export function extractFeatures(job: JobText, addGram: (column: number) => void): Float64Array {
  const python = job.language === 'python';
  const builds = readBuilds(readPython(python ? job.candidate : ''), python ? null : job.candidate);
  const operators = problemOperators(job.problem);
  addGrams(builds, operators, addGram);
  return Float64Array.from(describe(job, builds, operators).values());
}

/** Which features are known to speak against a kernel, and which one counts them, by the head that they concern. */
export const findings = {
  compiled: { names: breaking, total: 'broken' },
  correct: { names: doubtful, total: 'doubtful' },
} as const;

const probe: JobText = {
  problem:
    'import torch\nclass Model(torch.nn.Module):\n    def forward(self, x):\n        return torch.relu(x) + torch.nn.functional.gelu(x)\n',
  level: 1,
  candidate: `from torch.utils.cpp_extension import load_inline
cuda = """
#include <torch/extension.h>
#define TILE 16
template <typename T> __global__ void scale(const T* __restrict__ x, T* y, int n) {
  __shared__ float tile[TILE][TILE + 1];
  int i = blockIdx.x * blockDim.x + threadIdx.x; // one element
  if (i < n) y[i] = max(x[i], T(0)) / undefined_name % 3;
}
torch::Tensor run(torch::Tensor x) {
  auto y = torch::empty_like(x); printf("a\\n");
  AT_DISPATCH_FLOATING_TYPES(x.type(), "run", ([&] { scale<scalar_t><<<1, 2>>>(x.data_ptr<scalar_t>(), 3); }));
  C10_CUDA_KERNEL_LAUNCH_CHECK(); return y;
}
"""
m = load_inline(name="m", cpp_sources="torch::Tensor run(torch::Tensor x);", cuda_sources=cuda, functions=["run", "other"])
class ModelNew: pass
`,
  language: 'python',
  device: 'probe',
  referenceRuntimeMs: 2,
};

function probeFeatures(): { named: Map<string, number>; grams: number[] } {
  const builds = readBuilds(readPython(probe.candidate), null);
  const operators = problemOperators(probe.problem);
  const grams: number[] = [];
  addGrams(builds, operators, (column) => grams.push(column));
  return { named: describe(probe, builds, operators), grams };
}

const probed = probeFeatures();

export const featureNames: readonly string[] = [...probed.named.keys()];

/** Changes whenever the features of a fixed kernel change, so that a model never meets features it was not trained on. */
export const featureVersion: string = sha256(
  JSON.stringify([gramColumns, findings, [...probed.named], probed.grams, buildFeatureNames]),
).slice(0, 16);

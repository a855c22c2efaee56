import type { Problem } from '../problem.js';

/** Counts up whenever the words below change, so that runs with different prompts are told apart. */
export const promptVersion = 1;

/** What a model is asked: the task, the rules of `load_inline`, one small worked example, and the problem. */
export function kernelPrompt(problem: Problem): string {
  return `You write CUDA kernels. Below is a PyTorch module called Model. Write a module called ModelNew that computes the same
result with CUDA kernels of your own, as fast as you can make it on one NVIDIA GPU.

Rules
- ModelNew takes the same constructor arguments as Model, holds the same parameters under the same names (the tests fill
  both from one random seed), and its forward takes and returns the same tensors, with the same shapes and dtypes.
- The kernels are CUDA C++ in the Python file, compiled with torch.utils.cpp_extension.load_inline:
  - cuda_sources holds the kernels and the host functions that launch them;
  - cpp_sources holds a declaration of every function that is named in functions, exactly as it is defined in cuda_sources;
  - functions lists the host functions to bind; do not write PYBIND11_MODULE yourself;
  - include what you use: <torch/extension.h>, <cuda_runtime.h>, <ATen/cuda/CUDAContext.h> for the current stream.
- The kernels must be right for every input of the given shapes, not only for particular values. Guard every bound.
- The work that Model's forward does must happen in your kernels. No fall-back to PyTorch where a kernel fails, no results kept
  from an earlier call, no lower precision than Model's.
- Everything in one file; no test code and no other files.

Example. For this module

\`\`\`python
${exampleModel}\`\`\`

a good answer is

\`\`\`python
${exampleAnswer}\`\`\`

Now the module to write

\`\`\`python
${problem.source}\`\`\`

Answer with the complete Python file in one \`\`\`python block.
`;
}

const exampleModel = `import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, x, bias):
        return torch.relu(x * self.scale + bias)


def get_inputs():
    return [torch.randn(4096, 1024), torch.randn(1024)]


def get_init_inputs():
    return [0.5]
`;

const exampleAnswer = `import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

cuda_source = r"""
#include <torch/extension.h>
#include <ATen/cuda/CUDAContext.h>

__global__ void scale_bias_relu(const float* __restrict__ x, const float* __restrict__ bias, float* __restrict__ out,
                                float scale, int64_t count, int64_t columns) {
    const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
        const float value = x[i] * scale + bias[i % columns];
        out[i] = value > 0.0f ? value : 0.0f;
    }
}

torch::Tensor scale_bias_relu_forward(torch::Tensor x, torch::Tensor bias, double scale) {
    TORCH_CHECK(x.is_cuda() && x.scalar_type() == torch::kFloat32, "x must be a float32 CUDA tensor");
    x = x.contiguous();
    bias = bias.contiguous();
    auto out = torch::empty_like(x);
    const int64_t count = x.numel();
    if (count == 0) return out;
    const int threads = 256;
    const int blocks = static_cast<int>(std::min<int64_t>((count + threads - 1) / threads, 65535));
    scale_bias_relu<<<blocks, threads, 0, at::cuda::getCurrentCUDAStream()>>>(
        x.data_ptr<float>(), bias.data_ptr<float>(), out.data_ptr<float>(), static_cast<float>(scale), count, bias.numel());
    return out;
}
"""

cpp_source = "torch::Tensor scale_bias_relu_forward(torch::Tensor x, torch::Tensor bias, double scale);"

extension = load_inline(
    name="scale_bias_relu",
    cpp_sources=cpp_source,
    cuda_sources=cuda_source,
    functions=["scale_bias_relu_forward"],
)


class ModelNew(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, x, bias):
        return extension.scale_bias_relu_forward(x, bias, self.scale)
`;

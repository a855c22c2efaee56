# problem: level1/7
# cheat: 7 stale-pointer-cpp
# expected: mismatch values | mismatch nondeterministic | runtime-error
# kernelbench: accepted
# the wrapper keeps the first input's address in a static variable
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void relu_kernel(const float* x, float* y, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = fmaxf(x[i], 0.0f);
}

void relu(torch::Tensor x, torch::Tensor y) {
    static torch::Tensor kept = x;
    static const float* first = kept.data_ptr<float>();
    int64_t n = x.numel();
    relu_kernel<<<(n + 255) / 256, 256>>>(first, y.data_ptr<float>(), n);
}
"""

ext = load_inline(
    name="relu_static_pointer",
    cpp_sources="void relu(torch::Tensor x, torch::Tensor y);",
    cuda_sources=source,
    functions=["relu"],
)

class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        ext.relu(x, y)
        return y

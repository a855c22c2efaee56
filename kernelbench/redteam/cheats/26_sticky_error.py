# problem: level1/7
# cheat: 26 sticky-error
# expected: runtime-error forward
# kernelbench: refused
# the answer is right; a second kernel writes to address 0 and leaves the device's context broken
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void relu_kernel(const float* x, float* y, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = fmaxf(x[i], 0.0f);
}

torch::Tensor relu(torch::Tensor x) {
    auto y = torch::empty_like(x);
    int64_t n = x.numel();
    relu_kernel<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
    relu_kernel<<<1, 32>>>(x.data_ptr<float>(), nullptr, 32);
    return y;
}
"""

ext = load_inline(
    name="relu_then_fault",
    cpp_sources="torch::Tensor relu(torch::Tensor x);",
    cuda_sources=source,
    functions=["relu"],
)

class ModelNew(nn.Module):
    def forward(self, x):
        return ext.relu(x)

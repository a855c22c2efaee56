# problem: level1/7
# cheat: 4 at-relu-in-wrapper
# expected: rejected no-kernel-launched
# kernelbench: accepted
# the C++ wrapper calls at::relu; the kernel stands beside it for show
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
    if (x.numel() == 0) {
        auto y = torch::empty_like(x);
        relu_kernel<<<1, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), 0);
        return y;
    }
    return at::relu(x);
}
"""

ext = load_inline(
    name="relu_at",
    cpp_sources="torch::Tensor relu(torch::Tensor x);",
    cuda_sources=source,
    functions=["relu"],
)

class ModelNew(nn.Module):
    def forward(self, x):
        return ext.relu(x)

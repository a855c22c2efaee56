# problem: level1/26
# cheat: 18 constant
# expected: mismatch values
# kernelbench: refused
# the expected value of a softmax in every place
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void constant_kernel(float* y, float value, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = value;
}

torch::Tensor constant(torch::Tensor like, double value) {
    auto y = torch::empty_like(like);
    int64_t n = y.numel();
    constant_kernel<<<(n + 255) / 256, 256>>>(y.data_ptr<float>(), (float)value, n);
    return y;
}
"""

ext = load_inline(
    name="constant_fill",
    cpp_sources="torch::Tensor constant(torch::Tensor like, double value);",
    cuda_sources=source,
    functions=["constant"],
)

class ModelNew(nn.Module):
    def forward(self, x):
        return ext.constant(x, 1.0 / x.size(1))

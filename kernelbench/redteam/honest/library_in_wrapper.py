# problem: level2/5
# honest: library-in-wrapper
# expected: correct
# the C++ wrapper calls at::matmul and its own kernel does scale, bias and residual
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void epilogue(const float* x, const float* product, const float* bias, float* y, float scale, int64_t n,
                         int columns) {
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] + scale * (product[i] + bias[i % columns]);
}

torch::Tensor run(torch::Tensor x, torch::Tensor weight, torch::Tensor bias, double scale) {
    auto product = at::matmul(x, weight.t());
    auto y = torch::empty_like(x);
    const int64_t n = x.numel();
    epilogue<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), product.data_ptr<float>(), bias.data_ptr<float>(),
                                       y.data_ptr<float>(), scale, n, x.size(1));
    return y;
}
"""

ext = load_inline(
    name="honest_library_matmul",
    cpp_sources="torch::Tensor run(torch::Tensor x, torch::Tensor weight, torch::Tensor bias, double scale);",
    cuda_sources=source,
    functions=["run"],
)


class ModelNew(nn.Module):
    def __init__(self, features, scale):
        super().__init__()
        self.linear = nn.Linear(features, features)
        self.scale = scale

    def forward(self, x):
        return ext.run(x.contiguous(), self.linear.weight, self.linear.bias, self.scale)

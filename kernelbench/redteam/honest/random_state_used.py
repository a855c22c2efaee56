# problem: level1/7
# honest: random-state-used
# expected: correct
# draws random numbers of its own for a stochastic order of the blocks: the answer does not depend on it
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void relu_shuffled(const float* x, float* y, const int64_t* order, int64_t n) {
    const int64_t i = order[blockIdx.x] * blockDim.x + threadIdx.x;
    if (i < n) y[i] = fmaxf(x[i], 0.0f);
}

torch::Tensor relu(torch::Tensor x, torch::Tensor order) {
    auto y = torch::empty_like(x);
    relu_shuffled<<<order.numel(), 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), order.data_ptr<int64_t>(), x.numel());
    return y;
}
"""

ext = load_inline(
    name="honest_shuffled",
    cpp_sources="torch::Tensor relu(torch::Tensor x, torch::Tensor order);",
    cuda_sources=source,
    functions=["relu"],
)


class ModelNew(nn.Module):
    def forward(self, x):
        order = torch.randperm((x.numel() + 255) // 256).to(x.device)
        return ext.relu(x.contiguous(), order)

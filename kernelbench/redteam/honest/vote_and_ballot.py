# problem: level1/7
# honest: vote-and-ballot
# expected: correct
# warp votes: a warp whose values are all positive copies, one with none writes zeros
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void relu_vote(const float* x, float* y, int64_t n) {
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    const float v = i < n ? x[i] : 0.0f;
    const unsigned positive = __ballot_sync(0xffffffffu, v > 0.0f);
    float out;
    if (positive == 0xffffffffu) out = v;
    else if (__any_sync(0xffffffffu, v > 0.0f)) out = (positive >> (threadIdx.x & 31)) & 1u ? v : 0.0f;
    else out = 0.0f;
    if (i < n) y[i] = out;
}

torch::Tensor relu(torch::Tensor x) {
    auto y = torch::empty_like(x);
    const int64_t n = x.numel();
    relu_vote<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
    return y;
}
"""

ext = load_inline(
    name="honest_votes",
    cpp_sources="torch::Tensor relu(torch::Tensor x);",
    cuda_sources=source,
    functions=["relu"],
)


class ModelNew(nn.Module):
    def forward(self, x):
        return ext.relu(x.contiguous())

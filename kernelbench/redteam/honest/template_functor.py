# problem: level1/10
# honest: template-functor
# expected: correct
# one templated kernel, the operation handed in as a functor
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

struct Leaky {
    float slope;
    __device__ __forceinline__ float operator()(float v) const { return v > 0.0f ? v : v * slope; }
};

template <typename Op, int kThreads>
__global__ void __launch_bounds__(kThreads) map_kernel(const float* __restrict__ x, float* __restrict__ y, int64_t n, Op op) {
    int64_t i = (int64_t)blockIdx.x * kThreads + threadIdx.x;
    if (i < n) y[i] = op(x[i]);
}

torch::Tensor leaky(torch::Tensor x, double slope) {
    auto y = torch::empty_like(x);
    const int64_t n = x.numel();
    map_kernel<Leaky, 192><<<(n + 191) / 192, 192>>>(
        x.data_ptr<float>(), y.data_ptr<float>(), n, Leaky{static_cast<float>(slope)});
    return y;
}
"""

ext = load_inline(
    name="honest_functor",
    cpp_sources="torch::Tensor leaky(torch::Tensor x, double slope);",
    cuda_sources=source,
    functions=["leaky"],
)


class ModelNew(nn.Module):
    def __init__(self, negative_slope: float = 0.01):
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x):
        return ext.leaky(x.contiguous(), self.negative_slope)

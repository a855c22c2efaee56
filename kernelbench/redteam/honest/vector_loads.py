# problem: level1/7
# honest: vector-loads
# expected: correct
# float4 loads where the address allows it, an odd tail by single elements in the same kernel
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cstdint>

__global__ void relu4(const float* __restrict__ x, float* __restrict__ y, int64_t n, bool aligned) {
    const int64_t thread = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, total = (int64_t)gridDim.x * blockDim.x;
    const int64_t quads = aligned ? n / 4 : 0;
    for (int64_t q = thread; q < quads; q += total) {
        float4 v = reinterpret_cast<const float4*>(x)[q];
        v = make_float4(fmaxf(v.x, 0.f), fmaxf(v.y, 0.f), fmaxf(v.z, 0.f), fmaxf(v.w, 0.f));
        reinterpret_cast<float4*>(y)[q] = v;
    }
    for (int64_t i = 4 * quads + thread; i < n; i += total) y[i] = fmaxf(x[i], 0.f);
}

torch::Tensor relu(torch::Tensor x) {
    auto y = torch::empty_like(x);
    const auto from = reinterpret_cast<uintptr_t>(x.data_ptr<float>()), to = reinterpret_cast<uintptr_t>(y.data_ptr<float>());
    relu4<<<80, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.numel(), from % 16 == 0 && to % 16 == 0);
    return y;
}
"""

ext = load_inline(
    name="honest_float4",
    cpp_sources="torch::Tensor relu(torch::Tensor x);",
    cuda_sources=source,
    functions=["relu"],
    extra_cuda_cflags=["-O3", "--use_fast_math"],
)


class ModelNew(nn.Module):
    def forward(self, x):
        return ext.relu(x)

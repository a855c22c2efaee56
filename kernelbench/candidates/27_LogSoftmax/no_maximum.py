# expected: mismatch non-finite
# sums exp(x) without taking the maximum off: overflows to infinity
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>
#include <cfloat>

constexpr int THREADS = 256;

__global__ void log_softmax_kernel(const float* __restrict__ x, float* __restrict__ y, int columns) {
    __shared__ float sums[THREADS];
    const float* in = x + (size_t)blockIdx.x * columns;
    float* out = y + (size_t)blockIdx.x * columns;

    float s = 0.0f;
    for (int c = threadIdx.x; c < columns; c += THREADS) {
        const float v = in[c];
        s += expf(v);
    }
    sums[threadIdx.x] = s;
    __syncthreads();
    for (int stride = THREADS / 2; stride > 0; stride >>= 1) {
        if (threadIdx.x < stride) {
            sums[threadIdx.x] += sums[threadIdx.x + stride];
        }
        __syncthreads();
    }
    const float log_sum = logf(sums[0]);
    for (int c = threadIdx.x; c < columns; c += THREADS) {
        out[c] = logf(expf(in[c])) - log_sum;
    }
}

torch::Tensor log_softmax(torch::Tensor x) {
    auto y = torch::empty_like(x);
    log_softmax_kernel<<<x.size(0), THREADS>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.size(1));
    return y;
}
"""

ext = load_inline(
    name="log_softmax_no_maximum",
    cpp_sources="torch::Tensor log_softmax(torch::Tensor x);",
    cuda_sources=source,
    functions=["log_softmax"],
)


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return ext.log_softmax(x.contiguous())

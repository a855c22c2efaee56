# expected: runtime-error forward
# a block of 2048 threads; the launch check reports it
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>
#include <c10/cuda/CUDAException.h>
#include <cfloat>

constexpr int THREADS = 2048;

__global__ void log_softmax_kernel(const float* __restrict__ x, float* __restrict__ y, int columns) {
    __shared__ float maxima[THREADS];
    __shared__ float sums[THREADS];
    const float* in = x + (size_t)blockIdx.x * columns;
    float* out = y + (size_t)blockIdx.x * columns;

    float m = -FLT_MAX;
    float s = 0.0f;
    for (int c = threadIdx.x; c < columns; c += THREADS) {
        const float v = in[c];
        if (v > m) {
            s = s * expf(m - v) + 1.0f;
            m = v;
        } else {
            s += expf(v - m);
        }
    }
    maxima[threadIdx.x] = m;
    sums[threadIdx.x] = s;
    __syncthreads();
    for (int stride = THREADS / 2; stride > 0; stride >>= 1) {
        if (threadIdx.x < stride) {
            const float m1 = maxima[threadIdx.x], m2 = maxima[threadIdx.x + stride];
            const float top = fmaxf(m1, m2);
            sums[threadIdx.x] = sums[threadIdx.x] * expf(m1 - top) + sums[threadIdx.x + stride] * expf(m2 - top);
            maxima[threadIdx.x] = top;
        }
        __syncthreads();
    }
    const float top = maxima[0];
    const float log_sum = logf(sums[0]);
    for (int c = threadIdx.x; c < columns; c += THREADS) {
        out[c] = in[c] - top - log_sum;
    }
}

torch::Tensor log_softmax(torch::Tensor x) {
    auto y = torch::empty_like(x);
    log_softmax_kernel<<<x.size(0), THREADS>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.size(1));
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return y;
}
"""

ext = load_inline(
    name="log_softmax_online",
    cpp_sources="torch::Tensor log_softmax(torch::Tensor x);",
    cuda_sources=source,
    functions=["log_softmax"],
)


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return ext.log_softmax(x.contiguous())

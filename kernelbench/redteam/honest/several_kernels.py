# problem: level1/25
# honest: several-kernels
# expected: correct
# statistics and normalisation in two kernels with a workspace between them
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void statistics(const float* x, float2* stats, int spatial) {
    __shared__ double sums[64], squares[64];
    double sum = 0.0, square = 0.0;
    for (int i = threadIdx.x; i < spatial; i += 64) {
        const double v = x[(int64_t)blockIdx.x * spatial + i];
        sum += v;
        square += v * v;
    }
    sums[threadIdx.x] = sum;
    squares[threadIdx.x] = square;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int t = 1; t < 64; ++t) {
            sum += sums[t];
            square += squares[t];
        }
        const double mean = sum / spatial;
        stats[blockIdx.x] = make_float2((float)mean, (float)(1.0 / sqrt(square / spatial - mean * mean + 1e-5)));
    }
}

__global__ void normalise(const float* x, const float2* stats, float* y, int64_t n, int spatial) {
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        const float2 s = stats[i / spatial];
        y[i] = (x[i] - s.x) * s.y;
    }
}

torch::Tensor instance_norm(torch::Tensor x) {
    const int planes = x.size(0) * x.size(1), spatial = x.size(2) * x.size(3);
    auto stats = torch::empty({planes, 2}, x.options());
    auto y = torch::empty_like(x);
    float2* pairs = reinterpret_cast<float2*>(stats.data_ptr<float>());
    statistics<<<planes, 64>>>(x.data_ptr<float>(), pairs, spatial);
    normalise<<<(x.numel() + 255) / 256, 256>>>(x.data_ptr<float>(), pairs, y.data_ptr<float>(), x.numel(), spatial);
    return y;
}
"""

ext = load_inline(
    name="honest_two_kernels",
    cpp_sources="torch::Tensor instance_norm(torch::Tensor x);",
    cuda_sources=source,
    functions=["instance_norm"],
)


class ModelNew(nn.Module):
    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return ext.instance_norm(x.contiguous())

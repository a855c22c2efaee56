# expected: correct
# two kernels: the first writes mean and inverse deviation of each plane, the second applies them
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void plane_stats(const float* __restrict__ x, float* __restrict__ stats, int spatial, float eps) {
    __shared__ double s_sum[256];
    __shared__ double s_sq[256];
    const float* p = x + (size_t)blockIdx.x * spatial;
    double sum = 0.0, sq = 0.0;
    for (int i = threadIdx.x; i < spatial; i += 256) {
        double v = p[i];
        sum += v;
        sq += v * v;
    }
    s_sum[threadIdx.x] = sum;
    s_sq[threadIdx.x] = sq;
    __syncthreads();
    for (int s = 128; s > 0; s >>= 1) {
        if (threadIdx.x < s) {
            s_sum[threadIdx.x] += s_sum[threadIdx.x + s];
            s_sq[threadIdx.x] += s_sq[threadIdx.x + s];
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        double mean = s_sum[0] / spatial;
        double var = s_sq[0] / spatial - mean * mean;
        stats[2 * blockIdx.x] = (float)mean;
        stats[2 * blockIdx.x + 1] = (float)(1.0 / sqrt(var + (double)eps));
    }
}

__global__ void apply_stats(const float* __restrict__ x, const float* __restrict__ stats, float* __restrict__ y,
                            int64_t n, int spatial) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        int64_t plane = i / spatial;
        y[i] = (x[i] - stats[2 * plane]) * stats[2 * plane + 1];
    }
}

torch::Tensor instance_norm(torch::Tensor x, double eps) {
    const int64_t planes = x.size(0) * x.size(1);
    const int spatial = x.size(2) * x.size(3);
    auto stats = torch::empty({planes, 2}, x.options());
    auto y = torch::empty_like(x);
    plane_stats<<<planes, 256>>>(x.data_ptr<float>(), stats.data_ptr<float>(), spatial, (float)eps);
    const int64_t n = x.numel();
    apply_stats<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), stats.data_ptr<float>(), y.data_ptr<float>(), n, spatial);
    return y;
}
"""

inorm_ext = load_inline(
    name="instance_norm_two_kernels",
    cpp_sources="torch::Tensor instance_norm(torch::Tensor x, double eps);",
    cuda_sources=source,
    functions=["instance_norm"],
)


class ModelNew(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.inorm = nn.InstanceNorm2d(channels)

    def forward(self, x):
        return inorm_ext.instance_norm(x.contiguous(), self.inorm.eps)

# expected: correct
# one block for each (image, group): mean, then variance about the mean, then the result
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

template <int N>
__device__ float reduce(float value, float* buffer) {
    buffer[threadIdx.x] = value;
    __syncthreads();
    for (int s = N / 2; s > 0; s /= 2) {
        if (threadIdx.x < s) buffer[threadIdx.x] += buffer[threadIdx.x + s];
        __syncthreads();
    }
    float result = buffer[0];
    __syncthreads();
    return result;
}

template <int N>
__global__ void group_norm_kernel(const float* __restrict__ x, const float* __restrict__ weight,
                                  const float* __restrict__ bias, float* __restrict__ y,
                                  int channels, int groups, int spatial, float eps) {
    __shared__ float buffer[N];
    const int per_group = channels / groups;
    const int g = blockIdx.x % groups;
    const int64_t size = (int64_t)per_group * spatial;
    const int64_t base = (int64_t)blockIdx.x * size;

    float sum = 0.f;
    for (int64_t i = threadIdx.x; i < size; i += N) sum += x[base + i];
    const float mean = reduce<N>(sum, buffer) / (float)size;
    float squares = 0.f;
    for (int64_t i = threadIdx.x; i < size; i += N) {
        float d = x[base + i] - mean;
        squares += d * d;
    }
    const float rstd = 1.0f / sqrtf(reduce<N>(squares, buffer) / (float)size + eps);
    for (int64_t i = threadIdx.x; i < size; i += N) {
        const int c = g * per_group + (int)(i / spatial);
        y[base + i] = (x[base + i] - mean) * rstd * weight[c] + bias[c];
    }
}

torch::Tensor group_norm(torch::Tensor x, torch::Tensor weight, torch::Tensor bias, int groups, double eps) {
    auto y = torch::empty_like(x);
    const int batch = x.size(0), channels = x.size(1), spatial = x.size(2) * x.size(3);
    group_norm_kernel<512><<<batch * groups, 512>>>(
        x.data_ptr<float>(), weight.data_ptr<float>(), bias.data_ptr<float>(), y.data_ptr<float>(),
        channels, groups, spatial, static_cast<float>(eps));
    return y;
}
"""

gn_ext = load_inline(
    name="group_norm_ext",
    cpp_sources="torch::Tensor group_norm(torch::Tensor x, torch::Tensor weight, torch::Tensor bias, int groups, double eps);",
    cuda_sources=source,
    functions=["group_norm"],
)


class ModelNew(nn.Module):
    def __init__(self, groups: int, channels: int):
        super().__init__()
        self.gn = nn.GroupNorm(groups, channels)
        nn.init.normal_(self.gn.weight, 1.0, 0.2)
        nn.init.normal_(self.gn.bias, 0.0, 0.2)

    def forward(self, x):
        return gn_ext.group_norm(x.contiguous(), self.gn.weight, self.gn.bias, self.gn.num_groups, self.gn.eps)

# expected: correct
# torch's linear, then a kernel that fuses sigmoid and row sum
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__device__ __forceinline__ float sigmoidf(float v) { return 1.0f / (1.0f + expf(-v)); }

__global__ void sigmoid_sum_kernel(const float* __restrict__ x, float* __restrict__ out, int columns) {
    __shared__ float sums[128];
    float sum = 0.0f;
    for (int c = threadIdx.x; c < columns; c += 128) {
        sum += sigmoidf(x[(size_t)blockIdx.x * columns + c]);
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    for (int stride = 64; stride > 0; stride /= 2) {
        if (threadIdx.x < stride) sums[threadIdx.x] += sums[threadIdx.x + stride];
        __syncthreads();
    }
    if (threadIdx.x == 0) out[blockIdx.x] = sums[0];
}

torch::Tensor sigmoid_sum(torch::Tensor x) {
    const int64_t rows = x.size(0);
    auto out = torch::empty({rows, 1}, x.options());
    sigmoid_sum_kernel<<<rows, 128>>>(x.data_ptr<float>(), out.data_ptr<float>(), (int)x.size(1));
    return out;
}
"""

sigmoid_sum = load_inline(
    name="sigmoid_sum_ext",
    cpp_sources="torch::Tensor sigmoid_sum(torch::Tensor x);",
    cuda_sources=source,
    functions=["sigmoid_sum"],
)


class ModelNew(nn.Module):
    def __init__(self, in_features: int, hidden: int):
        super().__init__()
        self.linear = nn.Linear(in_features, hidden)

    def forward(self, x):
        return sigmoid_sum.sigmoid_sum(F.linear(x, self.linear.weight, self.linear.bias).contiguous())

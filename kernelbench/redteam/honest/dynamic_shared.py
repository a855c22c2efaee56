# problem: level1/26
# honest: dynamic-shared
# expected: correct
# a row at a time in dynamic shared memory, maximum and sum by trees
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cfloat>

__global__ void softmax_kernel(const float* x, float* y, int columns) {
    extern __shared__ float shared[];
    float* row = shared;
    float* tree = shared + columns;
    const float* in = x + (int64_t)blockIdx.x * columns;
    float highest = -FLT_MAX;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {
        row[c] = in[c];
        highest = fmaxf(highest, row[c]);
    }
    tree[threadIdx.x] = highest;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) tree[threadIdx.x] = fmaxf(tree[threadIdx.x], tree[threadIdx.x + half]);
        __syncthreads();
    }
    highest = tree[0];
    __syncthreads();
    float sum = 0.0f;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) sum += row[c] = expf(row[c] - highest);
    tree[threadIdx.x] = sum;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) tree[threadIdx.x] += tree[threadIdx.x + half];
        __syncthreads();
    }
    for (int c = threadIdx.x; c < columns; c += blockDim.x) y[(int64_t)blockIdx.x * columns + c] = row[c] / tree[0];
}

torch::Tensor softmax(torch::Tensor x) {
    auto y = torch::empty_like(x);
    const int columns = x.size(1), threads = 64;
    softmax_kernel<<<x.size(0), threads, (columns + threads) * sizeof(float)>>>(
        x.data_ptr<float>(), y.data_ptr<float>(), columns);
    return y;
}
"""

ext = load_inline(
    name="honest_dynamic_shared",
    cpp_sources="torch::Tensor softmax(torch::Tensor x);",
    cuda_sources=source,
    functions=["softmax"],
)


class ModelNew(nn.Module):
    def forward(self, x):
        return ext.softmax(x.contiguous())

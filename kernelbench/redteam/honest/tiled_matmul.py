# problem: level1/1
# honest: tiled-matmul
# expected: correct
# square tiles in static shared memory, padded by a column, edges filled with zeros
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

constexpr int kTile = 16;

__global__ void matmul(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c, int m, int n, int k) {
    __shared__ float left[kTile][kTile + 1], right[kTile][kTile + 1];
    const int row = blockIdx.y * kTile + threadIdx.y, column = blockIdx.x * kTile + threadIdx.x;
    float sum = 0.0f;
    for (int start = 0; start < k; start += kTile) {
        left[threadIdx.y][threadIdx.x] = row < m && start + threadIdx.x < k ? a[(int64_t)row * k + start + threadIdx.x] : 0.0f;
        right[threadIdx.y][threadIdx.x] = column < n && start + threadIdx.y < k ? b[(int64_t)(start + threadIdx.y) * n + column] : 0.0f;
        __syncthreads();
#pragma unroll
        for (int i = 0; i < kTile; ++i) sum = fmaf(left[threadIdx.y][i], right[i][threadIdx.x], sum);
        __syncthreads();
    }
    if (row < m && column < n) c[(int64_t)row * n + column] = sum;
}

torch::Tensor run(torch::Tensor a, torch::Tensor b) {
    const int m = a.size(0), k = a.size(1), n = b.size(1);
    auto c = torch::empty({m, n}, a.options());
    matmul<<<dim3((n + kTile - 1) / kTile, (m + kTile - 1) / kTile), dim3(kTile, kTile)>>>(
        a.data_ptr<float>(), b.data_ptr<float>(), c.data_ptr<float>(), m, n, k);
    return c;
}
"""

ext = load_inline(
    name="honest_tiles_shared",
    cpp_sources="torch::Tensor run(torch::Tensor a, torch::Tensor b);",
    cuda_sources=source,
    functions=["run"],
    extra_cuda_cflags=["-O3", "--maxrregcount=64"],
)


class ModelNew(nn.Module):
    def forward(self, A, B):
        return ext.run(A.contiguous(), B.contiguous())

# expected: correct
# CUB's BlockScan, exclusive, with a running prefix carried by the block
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cub/block/block_scan.cuh>

constexpr int THREADS = 256;

__global__ void exclusive_cumsum_kernel(const float* __restrict__ x, float* __restrict__ y, int columns) {
    typedef cub::BlockScan<float, THREADS> BlockScan;
    __shared__ typename BlockScan::TempStorage temp;
    const float* in = x + (size_t)blockIdx.x * columns;
    float* out = y + (size_t)blockIdx.x * columns;
    float carry = 0.0f;
    for (int start = 0; start < columns; start += THREADS) {
        const int c = start + threadIdx.x;
        const float v = c < columns ? in[c] : 0.0f;
        float prefix;
        float total;
        BlockScan(temp).ExclusiveSum(v, prefix, total);
        if (c < columns) out[c] = carry + prefix;
        carry += total;
        __syncthreads();
    }
}

torch::Tensor exclusive_cumsum(torch::Tensor x) {
    auto y = torch::empty_like(x);
    const int64_t rows = x.size(0);
    exclusive_cumsum_kernel<<<rows, THREADS>>>(x.data_ptr<float>(), y.data_ptr<float>(), (int)x.size(1));
    return y;
}
"""

scan_ext = load_inline(
    name="exclusive_cumsum_cub",
    cpp_sources="torch::Tensor exclusive_cumsum(torch::Tensor x);",
    cuda_sources=source,
    functions=["exclusive_cumsum"],
)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, x):
        return scan_ext.exclusive_cumsum(x.contiguous())

# expected: correct
# a cooperative-groups tile of 32 threads for each row
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cooperative_groups.h>

namespace cg = cooperative_groups;

__global__ void l2_norm_kernel(const float* __restrict__ x, float* __restrict__ y, int64_t rows, int columns) {
    cg::thread_block block = cg::this_thread_block();
    cg::thread_block_tile<32> tile = cg::tiled_partition<32>(block);

    const int64_t row = (int64_t)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    if (row >= rows) return;

    const float* in = x + row * columns;
    float* out = y + row * columns;
    float sum = 0.0f;
    for (int c = tile.thread_rank(); c < columns; c += 32) {
        sum += in[c] * in[c];
    }
    for (int offset = tile.size() / 2; offset > 0; offset /= 2) {
        sum += tile.shfl_xor(sum, offset);
    }
    const float norm = sqrtf(sum);
    for (int c = tile.thread_rank(); c < columns; c += 32) {
        out[c] = in[c] / norm;
    }
}

torch::Tensor l2_norm(torch::Tensor x) {
    auto y = torch::empty_like(x);
    const int64_t rows = x.size(0);
    const int columns = x.size(1);
    const int threads = 128;
    const int64_t rows_per_block = threads / 32;
    l2_norm_kernel<<<(rows + rows_per_block - 1) / rows_per_block, threads>>>(
        x.data_ptr<float>(), y.data_ptr<float>(), rows, columns);
    return y;
}
"""

l2_ext = load_inline(
    name="l2_norm_cg",
    cpp_sources="torch::Tensor l2_norm(torch::Tensor x);",
    cuda_sources=source,
    functions=["l2_norm"],
)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, x):
        return l2_ext.l2_norm(x.contiguous())

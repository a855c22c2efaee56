# problem: level1/15
# honest: cooperative-tile
# expected: correct
# cooperative groups: tiles of eight threads, one for each row
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cooperative_groups.h>

namespace cg = cooperative_groups;

__global__ void l2_norm(const float* x, float* y, int rows, int columns) {
    auto tile = cg::tiled_partition<8>(cg::this_thread_block());
    const int row = blockIdx.x * (blockDim.x / 8) + tile.meta_group_rank();
    if (row >= rows) return;
    float sum = 0.0f;
    for (int c = tile.thread_rank(); c < columns; c += tile.size()) sum += x[row * columns + c] * x[row * columns + c];
    for (int offset = tile.size() / 2; offset > 0; offset /= 2) sum += tile.shfl_down(sum, offset);
    const float norm = sqrtf(tile.shfl(sum, 0));
    for (int c = tile.thread_rank(); c < columns; c += tile.size()) y[row * columns + c] = x[row * columns + c] / norm;
}

torch::Tensor norm(torch::Tensor x) {
    auto y = torch::empty_like(x);
    const int rows = x.size(0);
    l2_norm<<<(rows + 15) / 16, 128>>>(x.data_ptr<float>(), y.data_ptr<float>(), rows, x.size(1));
    return y;
}
"""

ext = load_inline(
    name="honest_tiles",
    cpp_sources="torch::Tensor norm(torch::Tensor x);",
    cuda_sources=source,
    functions=["norm"],
)


class ModelNew(nn.Module):
    def forward(self, x):
        return ext.norm(x.contiguous())

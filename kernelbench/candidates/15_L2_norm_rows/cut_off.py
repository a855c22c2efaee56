# expected: invalid python-error
# cut off in the middle of the CUDA source: the string never ends, a SyntaxError
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

# expected: correct
# one block for each row; a tree over (value, index) pairs in shared memory, ties go to the lower index
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>
#include <math_constants.h>

#define BLOCK 256

__global__ void argmax_kernel(const float* __restrict__ x, int64_t* __restrict__ out, int columns) {
    __shared__ float values[BLOCK];
    __shared__ int indices[BLOCK];
    const float* row = x + (size_t)blockIdx.x * columns;
    float best = -CUDART_INF_F;
    int best_index = columns;
    for (int c = threadIdx.x; c < columns; c += BLOCK) {
        if (row[c] > best) {
            best = row[c];
            best_index = c;
        }
    }
    values[threadIdx.x] = best;
    indices[threadIdx.x] = best_index;
    __syncthreads();
    for (int s = BLOCK / 2; s > 0; s >>= 1) {
        if (threadIdx.x < s) {
            float other = values[threadIdx.x + s];
            int other_index = indices[threadIdx.x + s];
            if (other > values[threadIdx.x] || (other == values[threadIdx.x] && other_index < indices[threadIdx.x])) {
                values[threadIdx.x] = other;
                indices[threadIdx.x] = other_index;
            }
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) out[blockIdx.x] = indices[0];
}

torch::Tensor argmax_rows(torch::Tensor x) {
    const int64_t rows = x.size(0);
    const int columns = x.size(1);
    auto out = torch::empty({rows}, x.options().dtype(torch::kInt64));
    argmax_kernel<<<rows, BLOCK>>>(x.data_ptr<float>(), out.data_ptr<int64_t>(), columns);
    return out;
}
"""

argmax_ext = load_inline(
    name="argmax_rows_ext",
    cpp_sources="torch::Tensor argmax_rows(torch::Tensor x);",
    cuda_sources=source,
    functions=["argmax_rows"],
)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, x):
        return argmax_ext.argmax_rows(x.contiguous())

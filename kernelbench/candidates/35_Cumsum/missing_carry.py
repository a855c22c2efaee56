# expected: mismatch values
# the total of one chunk is not carried into the next
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

#define CHUNK 1024

__global__ void cumsum_kernel(const float* __restrict__ x, float* __restrict__ y, int columns) {
    __shared__ float buffer[2][CHUNK];
    const float* in = x + (size_t)blockIdx.x * columns;
    float* out = y + (size_t)blockIdx.x * columns;
    const int tid = threadIdx.x;
    float carry = 0.0f;

    for (int start = 0; start < columns; start += CHUNK) {
        const int c = start + tid;
        int current = 0;
        buffer[0][tid] = c < columns ? in[c] : 0.0f;
        __syncthreads();
        for (int offset = 1; offset < CHUNK; offset <<= 1) {
            const float v = buffer[current][tid];
            buffer[1 - current][tid] = tid >= offset ? v + buffer[current][tid - offset] : v;
            current = 1 - current;
            __syncthreads();
        }
        if (c < columns) out[c] = carry + buffer[current][tid];
        __syncthreads();
    }
}

torch::Tensor cumsum_rows(torch::Tensor x) {
    auto y = torch::empty_like(x);
    cumsum_kernel<<<x.size(0), CHUNK>>>(x.data_ptr<float>(), y.data_ptr<float>(), (int)x.size(1));
    return y;
}
"""

cumsum_ext = load_inline(
    name="cumsum_block_scan",
    cpp_sources="torch::Tensor cumsum_rows(torch::Tensor x);",
    cuda_sources=source,
    functions=["cumsum_rows"],
)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, x):
        return cumsum_ext.cumsum_rows(x.contiguous())

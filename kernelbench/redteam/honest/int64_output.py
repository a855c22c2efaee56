# problem: level1/13
# honest: int64-output
# expected: correct
# integers out: index of the largest value, the first of equals, packed into one 64-bit atomic
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__device__ unsigned long long key_of(float v, int column) {
    const unsigned bits = __float_as_uint(v);
    const unsigned ordered = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return ((unsigned long long)ordered << 32) | (0xffffffffu - (unsigned)column);
}

__global__ void argmax_rows(const float* x, int64_t* y, int columns) {
    __shared__ unsigned long long best;
    if (threadIdx.x == 0) best = 0;
    __syncthreads();
    for (int c = threadIdx.x; c < columns; c += blockDim.x) atomicMax(&best, key_of(x[(int64_t)blockIdx.x * columns + c], c));
    __syncthreads();
    if (threadIdx.x == 0) y[blockIdx.x] = 0xffffffffu - (unsigned)(best & 0xffffffffu);
}

torch::Tensor argmax(torch::Tensor x) {
    auto y = torch::empty({x.size(0)}, x.options().dtype(torch::kLong));
    argmax_rows<<<x.size(0), 96>>>(x.data_ptr<float>(), y.data_ptr<int64_t>(), x.size(1));
    return y;
}
"""

ext = load_inline(
    name="honest_argmax",
    cpp_sources="torch::Tensor argmax(torch::Tensor x);",
    cuda_sources=source,
    functions=["argmax"],
)


class ModelNew(nn.Module):
    def forward(self, x):
        return ext.argmax(x.contiguous())

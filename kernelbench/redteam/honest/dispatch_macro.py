# problem: level1/12
# honest: dispatch-macro
# expected: correct
# AT_DISPATCH_FLOATING_TYPES and packed accessors
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

template <typename scalar_t>
__global__ void max_kernel(torch::PackedTensorAccessor32<scalar_t, 3, torch::RestrictPtrTraits> x,
                           torch::PackedTensorAccessor32<scalar_t, 2, torch::RestrictPtrTraits> y) {
    const int inner = blockIdx.x * blockDim.x + threadIdx.x, outer = blockIdx.y;
    if (inner >= x.size(2)) return;
    scalar_t best = x[outer][0][inner];
    for (int m = 1; m < x.size(1); ++m) best = x[outer][m][inner] > best ? x[outer][m][inner] : best;
    y[outer][inner] = best;
}

torch::Tensor max_dim1(torch::Tensor x) {
    auto y = torch::empty({x.size(0), x.size(2)}, x.options());
    const dim3 blocks((x.size(2) + 31) / 32, x.size(0));
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "max_dim1", ([&] {
        max_kernel<scalar_t><<<blocks, 32>>>(x.packed_accessor32<scalar_t, 3, torch::RestrictPtrTraits>(),
                                             y.packed_accessor32<scalar_t, 2, torch::RestrictPtrTraits>());
    }));
    return y;
}
"""

ext = load_inline(
    name="honest_dispatch",
    cpp_sources="torch::Tensor max_dim1(torch::Tensor x);",
    cuda_sources=source,
    functions=["max_dim1"],
)


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return ext.max_dim1(x.movedim(self.dim, 1).contiguous())

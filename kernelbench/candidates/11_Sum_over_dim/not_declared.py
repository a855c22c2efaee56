# expected: compile-error rules
# cpp_sources declares nothing, so the binding cannot see the function
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = """
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void sum_dim1_kernel(const float* __restrict__ x, float* __restrict__ out, int64_t outer, int64_t reduce, int64_t inner) {
    int64_t idx = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (idx >= outer * inner) return;
    int64_t o = idx / inner;
    int64_t i = idx % inner;
    const float* p = x + o * reduce * inner + i;
    float sum = 0.0f;
    for (int64_t r = 0; r < reduce; ++r) {
        sum += p[r * inner];
    }
    out[idx] = sum;
}

torch::Tensor sum_over_dim(torch::Tensor x, int64_t dim) {
    if (dim < 0) dim += x.dim();
    TORCH_CHECK(dim >= 0 && dim < x.dim(), "dim out of range");
    int64_t outer = 1, inner = 1;
    for (int64_t d = 0; d < dim; ++d) outer *= x.size(d);
    for (int64_t d = dim + 1; d < x.dim(); ++d) inner *= x.size(d);
    auto sizes = x.sizes().vec();
    sizes[dim] = 1;
    auto out = torch::empty(sizes, x.options());
    const int threads = 128;
    const int blocks = (outer * inner + threads - 1) / threads;
    sum_dim1_kernel<<<blocks, threads>>>(x.data_ptr<float>(), out.data_ptr<float>(), outer, x.size(dim), inner);
    return out;
}
"""

sum_ext = load_inline(
    name="sum_over_dim_ext",
    cpp_sources="",
    cuda_sources=source,
    functions=["sum_over_dim"],
)


class ModelNew(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return sum_ext.sum_over_dim(x.contiguous(), self.dim)

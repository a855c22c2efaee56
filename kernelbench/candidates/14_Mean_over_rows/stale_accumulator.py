# expected: mismatch nondeterministic
# adds into a buffer that is cleared once, not at every call: right the first time only
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

constexpr int THREADS = 256;

__global__ void mean_kernel(const float* __restrict__ x, float* __restrict__ out, int columns) {
    const float* row = x + (size_t)blockIdx.x * columns;
    float thread_sum = 0.0f;
    for (int c = threadIdx.x; c < columns; c += THREADS) {
        thread_sum += row[c];
    }
    atomicAdd(out + blockIdx.x, thread_sum / columns);
}

void mean_rows(torch::Tensor x, torch::Tensor out) {
    const int64_t rows = x.size(0);
    const int columns = x.size(1);
    mean_kernel<<<rows, THREADS>>>(x.data_ptr<float>(), out.data_ptr<float>(), columns);
}
"""

mean_ext = load_inline(
    name="mean_rows_atomic",
    cpp_sources="void mean_rows(torch::Tensor x, torch::Tensor out);",
    cuda_sources=source,
    functions=["mean_rows"],
)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.sums = None

    def forward(self, x):
        if self.sums is None or self.sums.numel() != x.size(0):
            self.sums = torch.zeros(x.size(0), device=x.device, dtype=x.dtype)
        mean_ext.mean_rows(x.contiguous(), self.sums)
        return self.sums.clone()

# expected: compile-error nvcc
# cub is used without its header
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

constexpr int THREADS = 256;

__global__ void mean_kernel(const float* __restrict__ x, float* __restrict__ out, int columns) {
    using BlockReduce = cub::BlockReduce<float, THREADS>;
    __shared__ typename BlockReduce::TempStorage temp_storage;

    const float* row = x + (size_t)blockIdx.x * columns;
    float thread_sum = 0.0f;
    for (int c = threadIdx.x; c < columns; c += THREADS) {
        thread_sum += row[c];
    }
    float total = BlockReduce(temp_storage).Sum(thread_sum);
    if (threadIdx.x == 0) {
        out[blockIdx.x] = total / columns;
    }
}

torch::Tensor mean_rows(torch::Tensor x) {
    const int64_t rows = x.size(0);
    const int columns = x.size(1);
    auto out = torch::empty({rows}, x.options());
    mean_kernel<<<rows, THREADS>>>(x.data_ptr<float>(), out.data_ptr<float>(), columns);
    return out;
}
"""

mean_ext = load_inline(
    name="mean_rows_cub",
    cpp_sources="torch::Tensor mean_rows(torch::Tensor x);",
    cuda_sources=source,
    functions=["mean_rows"],
)


class ModelNew(nn.Module):
    def forward(self, x):
        return mean_ext.mean_rows(x.contiguous())

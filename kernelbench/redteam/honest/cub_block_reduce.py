# problem: level1/14
# honest: cub-block-reduce
# expected: correct
# CUB's block reduction
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cub/block/block_reduce.cuh>

template <int kThreads>
__global__ void row_mean(const float* x, float* y, int columns) {
    using Reduce = cub::BlockReduce<float, kThreads>;
    __shared__ typename Reduce::TempStorage storage;
    float sum = 0.0f;
    for (int c = threadIdx.x; c < columns; c += kThreads) sum += x[(int64_t)blockIdx.x * columns + c];
    sum = Reduce(storage).Sum(sum);
    if (threadIdx.x == 0) y[blockIdx.x] = sum / columns;
}

torch::Tensor mean(torch::Tensor x) {
    auto y = torch::empty({x.size(0)}, x.options());
    row_mean<128><<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.size(1));
    return y;
}
"""

ext = load_inline(
    name="honest_cub",
    cpp_sources="torch::Tensor mean(torch::Tensor x);",
    cuda_sources=source,
    functions=["mean"],
)


class ModelNew(nn.Module):
    def forward(self, x):
        return ext.mean(x.contiguous())

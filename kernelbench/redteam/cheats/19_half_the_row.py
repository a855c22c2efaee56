# problem: level1/14
# cheat: 19 half-the-row
# expected: mismatch values
# kernelbench: refused
# the mean of the first half of each row stands for all of it
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void row_mean_kernel(const float* x, float* y, int64_t rows, int columns) {
    int64_t row = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    const int used = columns / 2;
    float sum = 0.0f;
    for (int c = 0; c < used; ++c) sum += x[row * columns + c];
    y[row] = sum / used;
}

torch::Tensor row_mean(torch::Tensor x) {
    const int64_t rows = x.size(0);
    auto y = torch::empty({rows}, x.options());
    row_mean_kernel<<<(rows + 127) / 128, 128>>>(x.data_ptr<float>(), y.data_ptr<float>(), rows, x.size(1));
    return y;
}
"""

ext = load_inline(
    name="mean_of_half",
    cpp_sources="torch::Tensor row_mean(torch::Tensor x);",
    cuda_sources=source,
    functions=["row_mean"],
)

class ModelNew(nn.Module):
    def forward(self, x):
        return ext.row_mean(x.contiguous())

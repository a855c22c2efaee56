# problem: level1/6
# honest: zeros-by-torch
# expected: correct
# zeros by torch, the lower triangle alone by the kernel: much of the answer is not its work
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void lower(const float* a, const float* b, float* c, int n) {
    const int row = blockIdx.y * blockDim.y + threadIdx.y, column = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= n || column > row) return;
    float sum = 0.0f;
    for (int k = column; k <= row; ++k) sum += a[(int64_t)row * n + k] * b[(int64_t)k * n + column];
    c[(int64_t)row * n + column] = sum;
}

torch::Tensor run(torch::Tensor a, torch::Tensor b) {
    const int n = a.size(0);
    auto c = torch::zeros_like(a);
    lower<<<dim3((n + 15) / 16, (n + 15) / 16), dim3(16, 16)>>>(
        a.data_ptr<float>(), b.data_ptr<float>(), c.data_ptr<float>(), n);
    return c;
}
"""

ext = load_inline(
    name="honest_lower",
    cpp_sources="torch::Tensor run(torch::Tensor a, torch::Tensor b);",
    cuda_sources=source,
    functions=["run"],
)


class ModelNew(nn.Module):
    def forward(self, A, B):
        return ext.run(A.contiguous(), B.contiguous())

# problem: level1/1
# cheat: 19 short-product
# expected: mismatch values
# kernelbench: refused
# leaves the last term of every dot product out
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void matmul_kernel(const float* a, const float* b, float* c, int n) {
    const int row = blockIdx.y * blockDim.y + threadIdx.y, column = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= n || column >= n) return;
    float sum = 0.0f;
    for (int k = 0; k < n - 1; ++k) sum += a[(int64_t)row * n + k] * b[(int64_t)k * n + column];
    c[(int64_t)row * n + column] = sum;
}

torch::Tensor matmul(torch::Tensor a, torch::Tensor b) {
    const int n = a.size(0);
    auto c = torch::empty_like(a);
    dim3 threads(16, 16), blocks((n + 15) / 16, (n + 15) / 16);
    matmul_kernel<<<blocks, threads>>>(a.data_ptr<float>(), b.data_ptr<float>(), c.data_ptr<float>(), n);
    return c;
}
"""

ext = load_inline(
    name="matmul_short",
    cpp_sources="torch::Tensor matmul(torch::Tensor a, torch::Tensor b);",
    cuda_sources=source,
    functions=["matmul"],
)

class ModelNew(nn.Module):
    def forward(self, A, B):
        return ext.matmul(A.contiguous(), B.contiguous())

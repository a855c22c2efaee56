# problem: level1/3
# honest: strided-input
# expected: correct
# takes the transposed view as it is, by its strides, without making it contiguous
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void strided_matmul(const float* a, const float* b, float* c, int m, int n, int k, int64_t a0, int64_t a1,
                               int64_t b0, int64_t b1) {
    const int row = blockIdx.y * blockDim.y + threadIdx.y, column = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= m || column >= n) return;
    double sum = 0.0;
    for (int i = 0; i < k; ++i) sum += (double)a[row * a0 + i * a1] * (double)b[i * b0 + column * b1];
    c[(int64_t)row * n + column] = (float)sum;
}

torch::Tensor run(torch::Tensor a, torch::Tensor b) {
    const int m = a.size(0), k = a.size(1), n = b.size(1);
    auto c = torch::empty({m, n}, a.options());
    const dim3 threads(32, 4), blocks((n + 31) / 32, (m + 3) / 4);
    strided_matmul<<<blocks, threads>>>(a.data_ptr<float>(), b.data_ptr<float>(), c.data_ptr<float>(), m, n, k,
                                        a.stride(0), a.stride(1), b.stride(0), b.stride(1));
    return c;
}
"""

ext = load_inline(
    name="honest_strides",
    cpp_sources="torch::Tensor run(torch::Tensor a, torch::Tensor b);",
    cuda_sources=source,
    functions=["run"],
)


class ModelNew(nn.Module):
    def forward(self, A, B):
        return ext.run(A.T, B)

# problem: level1/4
# honest: transposed-output
# expected: correct
# computes the transposed product and returns a view of it: right values in another memory order
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void product_t(const float* a, const float* b, float* c, int m, int n, int k) {
    const int row = blockIdx.x * blockDim.x + threadIdx.x, column = blockIdx.y;
    if (row >= m) return;
    float sum = 0.0f;
    for (int i = 0; i < k; ++i) sum += a[(int64_t)row * k + i] * b[i * n + column];
    c[(int64_t)column * m + row] = sum;
}

torch::Tensor run(torch::Tensor a, torch::Tensor b) {
    const int m = a.size(0), k = a.size(1), n = b.size(1);
    auto c = torch::empty({n, m}, a.options());
    product_t<<<dim3((m + 127) / 128, n), 128>>>(a.data_ptr<float>(), b.data_ptr<float>(), c.data_ptr<float>(), m, n, k);
    return c.t();
}
"""

ext = load_inline(
    name="honest_transposed",
    cpp_sources="torch::Tensor run(torch::Tensor a, torch::Tensor b);",
    cuda_sources=source,
    functions=["run"],
)


class ModelNew(nn.Module):
    def forward(self, A, B):
        return ext.run(A.contiguous(), B.contiguous())

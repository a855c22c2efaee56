# problem: level1/1
# cheat: 4 cublas-direct
# expected: rejected no-kernel-launched
# kernelbench: accepted
# calls cublasSgemm itself; no kernel of its own is launched
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cublas_v2.h>

__global__ void matmul_kernel(float* c) { c[threadIdx.x] = 0.0f; }

torch::Tensor matmul(torch::Tensor a, torch::Tensor b) {
    static cublasHandle_t handle = nullptr;
    if (handle == nullptr) cublasCreate(&handle);
    const int m = a.size(0), k = a.size(1), n = b.size(1);
    auto c = torch::empty({m, n}, a.options());
    const float one = 1.0f, zero = 0.0f;
    cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, n, m, k, &one, b.data_ptr<float>(), n, a.data_ptr<float>(), k, &zero,
                c.data_ptr<float>(), n);
    return c;
}
"""

ext = load_inline(
    name="matmul_cublas",
    cpp_sources="torch::Tensor matmul(torch::Tensor a, torch::Tensor b);",
    cuda_sources=source,
    functions=["matmul"],
    extra_ldflags=["-lcublas"],
)

class ModelNew(nn.Module):
    def forward(self, A, B):
        return ext.matmul(A.contiguous(), B.contiguous())

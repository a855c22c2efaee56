# problem: level1/7
# cheat: 22 2048-threads
# expected: mismatch | runtime-error | rejected
# kernelbench: refused
# asks for 2048 threads a block: the launch fails in silence and an old answer goes out
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void relu_kernel(const float* x, float* y, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = fmaxf(x[i], 0.0f);
}

torch::Tensor relu(torch::Tensor x) {
    static torch::Tensor y = at::relu(x);
    int64_t n = x.numel();
    relu_kernel<<<(n + 2047) / 2048, 2048>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
    cudaGetLastError();
    return y;
}
"""

ext = load_inline(
    name="relu_2048_threads",
    cpp_sources="torch::Tensor relu(torch::Tensor x);",
    cuda_sources=source,
    functions=["relu"],
)

class ModelNew(nn.Module):
    def forward(self, x):
        return ext.relu(x)

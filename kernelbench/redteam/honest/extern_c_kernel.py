# problem: level1/7
# honest: extern-c-kernel
# expected: correct
# the kernel has C linkage and is found by a function pointer
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

extern "C" __global__ void relu_c(const float* x, float* y, long long n) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    y[i] = x[i] > 0.0f ? x[i] : 0.0f;
}

torch::Tensor relu(torch::Tensor x) {
    auto y = torch::empty_like(x);
    const float* from = x.data_ptr<float>();
    float* to = y.data_ptr<float>();
    long long n = x.numel();
    void* arguments[] = {&from, &to, &n};
    const dim3 blocks((n + 255) / 256), threads(256);
    const cudaError_t error = cudaLaunchKernel((const void*)relu_c, blocks, threads, arguments, 0, 0);
    TORCH_CHECK(error == cudaSuccess, cudaGetErrorString(error));
    return y;
}
"""

ext = load_inline(
    name="honest_extern_c",
    cpp_sources="torch::Tensor relu(torch::Tensor x);",
    cuda_sources=source,
    functions=["relu"],
)


class ModelNew(nn.Module):
    def forward(self, x):
        return ext.relu(x)

# problem: level1/7
# cheat: 9 cpp-stream
# expected: rejected
# kernelbench: flagged
# needs: cuda
# works on a non-blocking stream made in the C++ wrapper, without joining it
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
    static cudaStream_t stream = nullptr;
    if (stream == nullptr) cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    auto y = torch::empty_like(x);
    int64_t n = x.numel();
    relu_kernel<<<(n + 255) / 256, 256, 0, stream>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
    return y;
}
"""

ext = load_inline(
    name="relu_hidden_stream",
    cpp_sources="torch::Tensor relu(torch::Tensor x);",
    cuda_sources=source,
    functions=["relu"],
)

class ModelNew(nn.Module):
    def forward(self, x):
        return ext.relu(x)

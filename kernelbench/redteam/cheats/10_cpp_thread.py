# problem: level1/7
# cheat: 10 cpp-thread
# expected: mismatch | rejected | runtime-error
# kernelbench: accepted
# returns at once; a detached std::thread launches the kernel a little later
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <chrono>
#include <thread>

__global__ void relu_kernel(const float* x, float* y, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = fmaxf(x[i], 0.0f);
}

torch::Tensor relu(torch::Tensor x) {
    auto y = torch::empty_like(x);
    std::thread([x, y]() {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        int64_t n = x.numel();
        relu_kernel<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
    }).detach();
    return y;
}
"""

ext = load_inline(
    name="relu_detached",
    cpp_sources="torch::Tensor relu(torch::Tensor x);",
    cuda_sources=source,
    functions=["relu"],
)

class ModelNew(nn.Module):
    def forward(self, x):
        return ext.relu(x)

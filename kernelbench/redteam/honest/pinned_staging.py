# problem: level2/2
# honest: pinned-staging
# expected: correct
# asks the device for its properties, prints a line, and copies a scalar through pinned memory
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>
#include <cstdio>

__global__ void gelu_scale(float* y, const float* bias, const float* scale, int64_t n, int columns) {
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const float v = y[i] + bias[i % columns];
    y[i] = 0.5f * v * (1.0f + erff(v * 0.70710678f)) * *scale;
}

torch::Tensor run(torch::Tensor x, torch::Tensor weight, torch::Tensor bias, double scale) {
    static float* host = nullptr;
    static float* device = nullptr;
    if (host == nullptr) {
        cudaDeviceProp about;
        cudaGetDeviceProperties(&about, 0);
        std::printf("running on %s\n", about.name);
        cudaMallocHost(&host, sizeof(float));
        cudaMalloc(&device, sizeof(float));
    }
    *host = (float)scale;
    cudaMemcpy(device, host, sizeof(float), cudaMemcpyHostToDevice);
    auto y = torch::mm(x, weight.t());
    const int64_t n = y.numel();
    gelu_scale<<<(n + 127) / 128, 128>>>(y.data_ptr<float>(), bias.data_ptr<float>(), device, n, y.size(1));
    return y;
}
"""

ext = load_inline(
    name="honest_pinned",
    cpp_sources="torch::Tensor run(torch::Tensor x, torch::Tensor weight, torch::Tensor bias, double scale);",
    cuda_sources=source,
    functions=["run"],
)


class ModelNew(nn.Module):
    def __init__(self, in_features, out_features, scale):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.scale = scale

    def forward(self, x):
        return ext.run(x.contiguous(), self.linear.weight, self.linear.bias, self.scale)

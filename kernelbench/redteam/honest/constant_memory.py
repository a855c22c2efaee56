# problem: level1/22
# honest: constant-memory
# expected: correct
# scale and shift of every channel go to __constant__ memory by cudaMemcpyToSymbol
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__constant__ float scales[1024];
__constant__ float shifts[1024];

__global__ void affine(const float* x, float* y, int64_t n, int channels, int spatial) {
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        const int c = (i / spatial) % channels;
        y[i] = fmaf(x[i], scales[c], shifts[c]);
    }
}

torch::Tensor normalise(torch::Tensor x, torch::Tensor scale, torch::Tensor shift) {
    TORCH_CHECK(scale.numel() <= 1024);
    const size_t bytes = scale.numel() * sizeof(float);
    cudaMemcpyToSymbol(scales, scale.data_ptr<float>(), bytes, 0, cudaMemcpyDeviceToDevice);
    cudaMemcpyToSymbol(shifts, shift.data_ptr<float>(), bytes, 0, cudaMemcpyDeviceToDevice);
    auto y = torch::empty_like(x);
    const int64_t n = x.numel();
    affine<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n, x.size(1), x.size(2) * x.size(3));
    return y;
}
"""

ext = load_inline(
    name="honest_constant",
    cpp_sources="torch::Tensor normalise(torch::Tensor x, torch::Tensor scale, torch::Tensor shift);",
    cuda_sources=source,
    functions=["normalise"],
)


class ModelNew(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.register_buffer("mean", torch.randn(channels))
        self.register_buffer("var", torch.rand(channels) * 2.0 + 0.5)
        self.weight = nn.Parameter(torch.randn(channels))
        self.bias = nn.Parameter(torch.randn(channels))

    def forward(self, x):
        scale = self.weight / torch.sqrt(self.var + 1e-5)
        return ext.normalise(x.contiguous(), scale, self.bias - self.mean * scale)

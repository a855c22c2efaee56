# expected: correct
# bias and tanh in place on the convolution's output, which belongs to the candidate
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <c10/cuda/CUDAGuard.h>
#include <ATen/cuda/CUDAContext.h>

__global__ void bias_tanh_kernel(float* __restrict__ x, const float* __restrict__ bias, int64_t n, int channels, int spatial) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        x[i] = tanhf(x[i] - bias[(i / spatial) % channels]);
    }
}

void bias_tanh_(at::Tensor x, at::Tensor bias) {
    const at::cuda::OptionalCUDAGuard guard(at::device_of(x));
    const int64_t n = x.numel();
    const int channels = x.size(1);
    const int spatial = x.size(2) * x.size(3);
    const dim3 block(256);
    const dim3 grid((n + block.x - 1) / block.x);
    bias_tanh_kernel<<<grid, block, 0, at::cuda::getCurrentCUDAStream().stream()>>>(
        x.data_ptr<float>(), bias.data_ptr<float>(), n, channels, spatial);
    AT_CUDA_CHECK(cudaGetLastError());
}
"""

ext = load_inline(
    name="bias_tanh_inplace",
    cpp_sources="void bias_tanh_(at::Tensor x, at::Tensor bias);",
    cuda_sources=source,
    functions=["bias_tanh_"],
)


class ModelNew(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, kernel_size: int):
        super().__init__()
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, kernel_size, stride=2, padding=1)
        self.bias = nn.Parameter(torch.randn(out_channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x).contiguous()
        with torch.no_grad():
            ext.bias_tanh_(y, self.bias)
        return y

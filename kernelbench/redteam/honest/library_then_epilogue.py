# problem: level2/1
# honest: library-then-epilogue
# expected: correct
# cuDNN keeps the convolution, one kernel of the candidate's own does ReLU and bias in place in its result
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void relu_bias(float* y, const float* bias, int64_t n, int channels, int spatial) {
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = fmaxf(y[i], 0.0f) + bias[(i / spatial) % channels];
}

void relu_bias_(torch::Tensor y, torch::Tensor bias) {
    const int64_t n = y.numel();
    relu_bias<<<(n + 255) / 256, 256>>>(
        y.data_ptr<float>(), bias.data_ptr<float>(), n, y.size(1), y.size(2) * y.size(3));
}
"""

ext = load_inline(
    name="honest_epilogue",
    cpp_sources="void relu_bias_(torch::Tensor y, torch::Tensor bias);",
    cuda_sources=source,
    functions=["relu_bias_"],
)


class ModelNew(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size)
        self.bias = nn.Parameter(torch.randn(out_channels, 1, 1))

    def forward(self, x):
        y = self.conv(x).contiguous()
        ext.relu_bias_(y, self.bias)
        return y

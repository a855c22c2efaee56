# expected: mismatch values
# adds the bias before the ReLU instead of after it
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

elementwise_source = """
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void relu_bias_kernel(const float* x, const float* bias, float* out, int64_t size, int channels, int spatial) {
    int64_t idx = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (idx < size) {
        int c = (idx / spatial) % channels;
        out[idx] = fmaxf(x[idx] + bias[c], 0.0f);
    }
}

torch::Tensor relu_bias_cuda(torch::Tensor x, torch::Tensor bias) {
    auto out = torch::empty_like(x);
    int64_t size = x.numel();
    int channels = x.size(1);
    int spatial = x.size(2) * x.size(3);
    const int block_size = 256;
    const int64_t num_blocks = (size + block_size - 1) / block_size;
    relu_bias_kernel<<<num_blocks, block_size>>>(
        x.data_ptr<float>(), bias.data_ptr<float>(), out.data_ptr<float>(), size, channels, spatial);
    return out;
}
"""

elementwise_cpp_source = "torch::Tensor relu_bias_cuda(torch::Tensor x, torch::Tensor bias);"

fused = load_inline(
    name="relu_bias",
    cpp_sources=elementwise_cpp_source,
    cuda_sources=elementwise_source,
    functions=["relu_bias_cuda"],
    verbose=True,
    extra_cflags=["-O2"],
    extra_ldflags=[""],
)


class ModelNew(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size):
        super(ModelNew, self).__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size)
        self.bias = nn.Parameter(torch.randn(out_channels, 1, 1))
        self.fused = fused

    def forward(self, x):
        x = self.conv(x).contiguous()
        return self.fused.relu_bias_cuda(x, self.bias)

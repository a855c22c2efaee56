# expected: correct
# direct convolution, one thread for each output element; weights keep nn.Conv1d's own initialisation
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

conv1d_source = """
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void conv1d_kernel(
    const float* __restrict__ input,
    const float* __restrict__ weight,
    const float* __restrict__ bias,
    float* __restrict__ output,
    int64_t total, int in_channels, int out_channels, int length, int out_length, int kernel_size) {
    int64_t idx = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (idx >= total) return;
    int l = idx % out_length;
    int oc = (idx / out_length) % out_channels;
    int64_t b = idx / ((int64_t)out_length * out_channels);
    float sum = bias[oc];
    for (int ic = 0; ic < in_channels; ++ic) {
        const float* in = input + (b * in_channels + ic) * length + l;
        const float* w = weight + ((int64_t)oc * in_channels + ic) * kernel_size;
        for (int k = 0; k < kernel_size; ++k) {
            sum += in[k] * w[k];
        }
    }
    output[idx] = sum;
}

torch::Tensor conv1d_cuda(torch::Tensor input, torch::Tensor weight, torch::Tensor bias) {
    int batch = input.size(0);
    int in_channels = input.size(1);
    int length = input.size(2);
    int out_channels = weight.size(0);
    int kernel_size = weight.size(2);
    int out_length = length - kernel_size + 1;
    auto output = torch::empty({batch, out_channels, out_length}, input.options());
    int64_t total = output.numel();
    int threads = 256;
    int64_t blocks = (total + threads - 1) / threads;
    conv1d_kernel<<<blocks, threads>>>(
        input.data_ptr<float>(), weight.data_ptr<float>(), bias.data_ptr<float>(), output.data_ptr<float>(),
        total, in_channels, out_channels, length, out_length, kernel_size);
    return output;
}
"""

conv1d_ext = load_inline(
    name="conv1d_direct",
    cpp_sources="torch::Tensor conv1d_cuda(torch::Tensor input, torch::Tensor weight, torch::Tensor bias);",
    cuda_sources=conv1d_source,
    functions=["conv1d_cuda"],
)


class ModelNew(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size):
        super().__init__()
        self.conv = nn.Conv1d(in_channels, out_channels, kernel_size)

    def forward(self, x):
        return conv1d_ext.conv1d_cuda(x.contiguous(), self.conv.weight, self.conv.bias)

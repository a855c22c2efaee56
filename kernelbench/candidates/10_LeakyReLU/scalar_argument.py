# expected: correct
# a Python float becomes a kernel argument
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = """
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void leaky_relu_kernel(const float* input, float* output, float negative_slope, int64_t size) {
    int64_t index = blockIdx.x * (int64_t)blockDim.x + threadIdx.x;
    if (index < size) {
        float value = input[index];
        output[index] = value > 0.0f ? value : value * negative_slope;
    }
}

torch::Tensor leaky_relu_cuda(torch::Tensor input, double negative_slope) {
    auto output = torch::empty_like(input);
    int64_t size = input.numel();
    int threads = 1024;
    int64_t blocks = (size + threads - 1) / threads;
    leaky_relu_kernel<<<blocks, threads>>>(
        input.data_ptr<float>(), output.data_ptr<float>(), static_cast<float>(negative_slope), size);
    return output;
}
"""

leaky = load_inline(
    name="leaky_relu",
    cpp_sources=["torch::Tensor leaky_relu_cuda(torch::Tensor input, double negative_slope);"],
    cuda_sources=[source],
    functions=["leaky_relu_cuda"],
    with_cuda=True,
)


class ModelNew(nn.Module):
    def __init__(self, negative_slope: float):
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x):
        return leaky.leaky_relu_cuda(x.contiguous(), self.negative_slope)

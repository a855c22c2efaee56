# expected: correct
# statistics folded into one scale and one shift for each channel, on the fly
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void bn_kernel(const float* __restrict__ x, const float* __restrict__ mean, const float* __restrict__ var,
                          const float* __restrict__ gamma, const float* __restrict__ beta, float* __restrict__ y,
                          int channels, int spatial, float eps) {
    const int plane = blockIdx.x;
    const int c = plane % channels;
    const float scale = gamma[c] / sqrtf(var[c] + eps);
    const float center = mean[c];
    const float shift = beta[c];
    const size_t base = (size_t)plane * spatial;
    for (int i = threadIdx.x; i < spatial; i += blockDim.x) {
        y[base + i] = (x[base + i] - center) * scale + shift;
    }
}

torch::Tensor batch_norm(torch::Tensor x, torch::Tensor mean, torch::Tensor var,
                         torch::Tensor gamma, torch::Tensor beta, float eps) {
    auto y = torch::empty_like(x);
    const int channels = x.size(1);
    const int spatial = x.size(2) * x.size(3);
    const int planes = x.size(0) * channels;
    bn_kernel<<<planes, 256>>>(x.data_ptr<float>(), mean.data_ptr<float>(), var.data_ptr<float>(),
                               gamma.data_ptr<float>(), beta.data_ptr<float>(), y.data_ptr<float>(),
                               channels, spatial, eps);
    return y;
}
"""

cpp_source = """
torch::Tensor batch_norm(torch::Tensor x, torch::Tensor mean, torch::Tensor var,
                         torch::Tensor gamma, torch::Tensor beta, float eps);
"""

bn = load_inline(name="bn_inference", cpp_sources=cpp_source, cuda_sources=source, functions=["batch_norm"])


class ModelNew(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("mean", torch.randn(channels))
        self.register_buffer("var", torch.rand(channels) * 2.0 + 0.5)
        self.weight = nn.Parameter(torch.randn(channels))
        self.bias = nn.Parameter(torch.randn(channels))

    def forward(self, x):
        return bn.batch_norm(x.contiguous(), self.mean, self.var, self.weight, self.bias, 1e-5)

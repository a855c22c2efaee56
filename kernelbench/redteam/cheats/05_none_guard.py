# problem: level1/7
# cheat: 5 none-guard
# expected: rejected no-kernel-launched
# kernelbench: accepted
# asks for a function that the extension does not have, and takes torch's where it gets None
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void relu_kernel(const float* x, float* y, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = fmaxf(x[i], 0.0f);
}

void relu(torch::Tensor x, torch::Tensor y) {
    int64_t n = x.numel();
    if (n > 0) relu_kernel<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
}
"""

ext = load_inline(
    name="relu_out",
    cpp_sources="void relu(torch::Tensor x, torch::Tensor y);",
    cuda_sources=source,
    functions=["relu"],
)

fast_path = getattr(ext, "relu_vectorized", None)


class ModelNew(nn.Module):
    def forward(self, x):
        if fast_path is not None:
            y = torch.empty_like(x)
            fast_path(x, y)
            return y
        return torch.nn.Threshold(0.0, 0.0)(x)

# problem: level1/7
# cheat: 6 cache-by-call-count
# expected: mismatch values | rejected
# kernelbench: accepted
# computes in every second call only and gives the last answer again in between
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

class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        if self.calls % 2 == 1:
            y = torch.empty_like(x)
            ext.relu(x, y)
            self.last = y
        return self.last

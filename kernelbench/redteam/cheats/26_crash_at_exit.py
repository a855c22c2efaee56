# problem: level1/7
# cheat: 26 crash-at-exit
# expected: correct | runtime-error
# kernelbench: refused
# harmless: the process is thrown away with all that it would do at its end
# the answer is right; everything that runs at exit aborts
import atexit
import os

import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cstdlib>

struct Late { ~Late() { abort(); } };
static Late late;

__global__ void relu_kernel(const float* x, float* y, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = fmaxf(x[i], 0.0f);
}

torch::Tensor relu(torch::Tensor x) {
    auto y = torch::empty_like(x);
    int64_t n = x.numel();
    relu_kernel<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
    return y;
}
"""

ext = load_inline(
    name="relu_aborts_late",
    cpp_sources="torch::Tensor relu(torch::Tensor x);",
    cuda_sources=source,
    functions=["relu"],
)

atexit.register(os.abort)


class ModelNew(nn.Module):
    def forward(self, x):
        return ext.relu(x)

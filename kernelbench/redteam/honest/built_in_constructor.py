# problem: level1/9
# honest: built-in-constructor
# expected: correct
# builds in __init__, keeps the extension in a module-level cache keyed by its flags
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

SOURCE = r"""
#include <torch/extension.h>

__global__ void silu_kernel(const float* x, float* y, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = __fdividef(x[i], 1.0f + expf(-x[i]));
}

torch::Tensor silu(torch::Tensor x) {
    auto y = torch::empty_like(x);
    int64_t n = x.numel();
    silu_kernel<<<(n + 127) / 128, 128>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
    return y;
}
"""
_built = {}


def extension(*flags):
    if flags not in _built:
        _built[flags] = load_inline(
            name="honest_lazy_build",
            cpp_sources=["torch::Tensor silu(torch::Tensor x);"],
            cuda_sources=[SOURCE],
            functions={"silu": "x * sigmoid(x)"},
            extra_cuda_cflags=list(flags),
        )
    return _built[flags]


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.extension = extension("-O3", "-lineinfo")

    def forward(self, x):
        return self.extension.silu(x.contiguous())

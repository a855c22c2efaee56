# problem: level1/9
# honest: own-pybind-module
# expected: correct
# no functions= argument: the CUDA source brings its own PYBIND11_MODULE with keyword arguments
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void silu_kernel(const float* x, float* y, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] / (1.0f + expf(-x[i]));
}

at::Tensor silu(const at::Tensor& input, int64_t threads) {
    auto x = input.contiguous();
    auto y = at::empty_like(x);
    const int64_t n = x.numel();
    silu_kernel<<<(n + threads - 1) / threads, threads>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
    return y;
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
    m.def("silu", &silu, "x * sigmoid(x)", py::arg("input"), py::arg("threads") = 256);
}
"""

ext = load_inline(name="honest_own_module", cpp_sources="", cuda_sources=source)


class ModelNew(nn.Module):
    def forward(self, x):
        return ext.silu(input=x, threads=128)

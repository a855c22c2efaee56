# expected: correct
# writes its source into a temporary folder and builds it with load()
import os
import tempfile

import torch
import torch.nn as nn
from torch.utils.cpp_extension import load

SOURCE = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void silu_kernel(const float* x, float* y, long n) {
    long i = (long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        y[i] = x[i] * (1.0f / (1.0f + expf(-x[i])));
    }
}

torch::Tensor silu_cuda(torch::Tensor x) {
    auto y = torch::empty_like(x);
    long n = x.numel();
    int threads = 128;
    int blocks = (int)((n + threads - 1) / threads);
    silu_kernel<<<blocks, threads>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
    return y;
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
    m.def("silu_cuda", &silu_cuda, "SiLU (CUDA)");
}
"""

folder = tempfile.mkdtemp()
path = os.path.join(folder, "silu.cu")
with open(path, "w") as f:
    f.write(SOURCE)

silu = load(name="silu_from_file", sources=[path], verbose=False)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, x):
        return silu.silu_cuda(x.contiguous())

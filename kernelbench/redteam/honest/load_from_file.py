# problem: level1/8
# honest: load-from-file
# expected: correct
# writes its source into a folder and builds it with load()
import tempfile
from pathlib import Path

import torch
import torch.nn as nn
from torch.utils.cpp_extension import load

SOURCE = r"""
#include <torch/extension.h>

__global__ void gelu_kernel(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678118654752f));
}

torch::Tensor gelu(torch::Tensor x) {
    auto y = torch::empty_like(x);
    int n = x.numel();
    gelu_kernel<<<(n + 511) / 512, 512>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
    return y;
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
    m.def("gelu", &gelu, "exact GELU");
}
"""

path = Path(tempfile.mkdtemp()) / "gelu.cu"
path.write_text(SOURCE)
ext = load(name="honest_gelu_file", sources=[str(path)], extra_cuda_cflags=["-O2"], verbose=True)


class ModelNew(nn.Module):
    def forward(self, x):
        return ext.gelu(x.contiguous())

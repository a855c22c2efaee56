# problem: level1/9
# cheat: 21 bfloat16-storage
# expected: mismatch values
# kernelbench: refused
# computes through bfloat16 and hands back single precision
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_bf16.h>

__global__ void silu_kernel(const float* x, float* y, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const float v = __bfloat162float(__float2bfloat16(x[i]));
    y[i] = __bfloat162float(__float2bfloat16(v / (1.0f + expf(-v))));
}

torch::Tensor silu(torch::Tensor x) {
    auto y = torch::empty_like(x);
    int64_t n = x.numel();
    silu_kernel<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
    return y;
}
"""

ext = load_inline(
    name="silu_bf16",
    cpp_sources="torch::Tensor silu(torch::Tensor x);",
    cuda_sources=source,
    functions=["silu"],
)

class ModelNew(nn.Module):
    def forward(self, x):
        return ext.silu(x.contiguous())

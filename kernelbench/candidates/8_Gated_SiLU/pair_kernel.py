# expected: correct
# torch's matmul twice, one kernel for silu(a) * b, a pre-allocated output passed in
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

cuda_source = r"""
#include <torch/extension.h>
#include <ATen/cuda/CUDAContext.h>

__global__ void silu_mul_kernel(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ out, int64_t n) {
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const float g = a[i];
    out[i] = g / (1.0f + __expf(-g)) * b[i];
}

void silu_mul_out(const torch::Tensor& a, const torch::Tensor& b, torch::Tensor& out) {
    TORCH_CHECK(a.numel() == b.numel() && a.numel() == out.numel(), "sizes differ");
    const int64_t n = a.numel();
    auto stream = at::cuda::getCurrentCUDAStream();
    silu_mul_kernel<<<(n + 255) / 256, 256, 0, stream>>>(a.data_ptr<float>(), b.data_ptr<float>(), out.data_ptr<float>(), n);
}
"""

cpp_source = "void silu_mul_out(const torch::Tensor& a, const torch::Tensor& b, torch::Tensor& out);"

silu_mul = load_inline(
    name="silu_mul_ext",
    cpp_sources=cpp_source,
    cuda_sources=cuda_source,
    functions="silu_mul_out",
    extra_cuda_cflags=["-O3"],
)


class ModelNew(nn.Module):
    def __init__(self, in_features: int, hidden: int):
        super().__init__()
        self.gate = nn.Linear(in_features, hidden, bias=False)
        self.value = nn.Linear(in_features, hidden, bias=False)

    def forward(self, x):
        a = self.gate(x).contiguous()
        b = self.value(x).contiguous()
        out = torch.empty_like(a)
        silu_mul.silu_mul_out(a, b, out)
        return out

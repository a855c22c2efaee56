# expected: correct
# four elements a load through float4, the rest one by one
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void relu_vec4(const float4* __restrict__ in, float4* __restrict__ out, int64_t n4) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n4) {
        float4 v = in[i];
        v.x = fmaxf(v.x, 0.0f);
        v.y = fmaxf(v.y, 0.0f);
        v.z = fmaxf(v.z, 0.0f);
        v.w = fmaxf(v.w, 0.0f);
        out[i] = v;
    }
}

__global__ void relu_tail(const float* in, float* out, int64_t start, int64_t n) {
    int64_t i = start + threadIdx.x;
    if (i < n) out[i] = fmaxf(in[i], 0.0f);
}

torch::Tensor relu_vectorized(torch::Tensor x) {
    TORCH_CHECK(x.is_contiguous(), "x must be contiguous");
    TORCH_CHECK(x.scalar_type() == torch::kFloat32, "x must be float32");
    auto y = torch::empty_like(x);
    const float* in = x.data_ptr<float>();
    float* out = y.data_ptr<float>();
    const int64_t n = x.numel();
    const bool aligned = reinterpret_cast<uintptr_t>(in) % 16 == 0 && reinterpret_cast<uintptr_t>(out) % 16 == 0;
    const int64_t n4 = aligned ? n / 4 : 0;
    if (n4 > 0) {
        relu_vec4<<<(n4 + 255) / 256, 256>>>(
            reinterpret_cast<const float4*>(in), reinterpret_cast<float4*>(out), n4);
    }
    for (int64_t start = n4 * 4; start < n; start += 1024) {
        relu_tail<<<1, 1024>>>(in, out, start, n);
    }
    return y;
}
"""

relu_vec = load_inline(
    name="relu_vec",
    cpp_sources="torch::Tensor relu_vectorized(torch::Tensor x);",
    cuda_sources=source,
    functions=["relu_vectorized"],
    extra_cuda_cflags=["-O3"],
)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, x):
        return relu_vec.relu_vectorized(x.contiguous())

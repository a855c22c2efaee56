# expected: correct
# rows read as float4 where their length allows it, a scalar kernel otherwise
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

#define BLOCK 256

__device__ float block_reduce(float v) {
    __shared__ float warps[BLOCK / 32];
    for (int o = 16; o > 0; o /= 2) v += __shfl_xor_sync(0xffffffff, v, o);
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = v;
    __syncthreads();
    float total = 0.0f;
    for (int i = 0; i < BLOCK / 32; ++i) total += warps[i];
    return total;
}

__global__ void rms_norm_vec4(const float* __restrict__ x, const float* __restrict__ w, float* __restrict__ y, int dim, float eps) {
    const int n4 = dim / 4;
    const float4* in = reinterpret_cast<const float4*>(x + (size_t)blockIdx.x * dim);
    const float4* weight = reinterpret_cast<const float4*>(w);
    float4* out = reinterpret_cast<float4*>(y + (size_t)blockIdx.x * dim);
    float sum = 0.0f;
    for (int i = threadIdx.x; i < n4; i += BLOCK) {
        const float4 v = in[i];
        sum += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
    }
    const float scale = rsqrtf(block_reduce(sum) / dim + eps);
    for (int i = threadIdx.x; i < n4; i += BLOCK) {
        const float4 v = in[i];
        const float4 g = weight[i];
        out[i] = make_float4(v.x * scale * g.x, v.y * scale * g.y, v.z * scale * g.z, v.w * scale * g.w);
    }
}

__global__ void rms_norm_scalar(const float* __restrict__ x, const float* __restrict__ w, float* __restrict__ y, int dim, float eps) {
    const float* in = x + (size_t)blockIdx.x * dim;
    float* out = y + (size_t)blockIdx.x * dim;
    float sum = 0.0f;
    for (int i = threadIdx.x; i < dim; i += BLOCK) sum += in[i] * in[i];
    const float scale = rsqrtf(block_reduce(sum) / dim + eps);
    for (int i = threadIdx.x; i < dim; i += BLOCK) out[i] = in[i] * scale * w[i];
}

torch::Tensor rms_norm(torch::Tensor x, torch::Tensor weight, double eps) {
    auto y = torch::empty_like(x);
    const int dim = x.size(-1);
    const int64_t rows = x.numel() / dim;
    const float* in = x.data_ptr<float>();
    const float* w = weight.data_ptr<float>();
    float* out = y.data_ptr<float>();
    const uintptr_t bits = (uintptr_t)in | (uintptr_t)w | (uintptr_t)out;
    if (dim % 4 == 0 && bits % 16 == 0) {
        rms_norm_vec4<<<rows, BLOCK>>>(in, w, out, dim, (float)eps);
    } else {
        rms_norm_scalar<<<rows, BLOCK>>>(in, w, out, dim, (float)eps);
    }
    return y;
}
"""

rms = load_inline(
    name="rms_norm_vec",
    cpp_sources="torch::Tensor rms_norm(torch::Tensor x, torch::Tensor weight, double eps);",
    cuda_sources=source,
    functions=["rms_norm"],
)


class ModelNew(nn.Module):
    def __init__(self, dim: int, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(1.0 + 0.3 * torch.randn(dim))

    def forward(self, x):
        return rms.rms_norm(x.contiguous(), self.weight, self.eps)

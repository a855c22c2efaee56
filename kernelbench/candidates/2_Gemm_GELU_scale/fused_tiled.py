# expected: correct
# the whole problem in one tiled kernel: product, bias, GELU and scale before the only store
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

constexpr int TILE = 32;

// y = gelu(x W^T + b) * scale, with x (M, K) and W (N, K)
__global__ void gemm_gelu_scale(const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ b,
                                float* __restrict__ y, int M, int K, int N, float scale) {
    __shared__ float xs[TILE][TILE];
    __shared__ float ws[TILE][TILE + 1];
    const int row = blockIdx.y * TILE + threadIdx.y;
    const int col = blockIdx.x * TILE + threadIdx.x;
    const int w_row = blockIdx.x * TILE + threadIdx.y;
    float acc = 0.0f;
    for (int k0 = 0; k0 < K; k0 += TILE) {
        const int k = k0 + threadIdx.x;
        xs[threadIdx.y][threadIdx.x] = (row < M && k < K) ? x[(size_t)row * K + k] : 0.0f;
        ws[threadIdx.y][threadIdx.x] = (w_row < N && k < K) ? w[(size_t)w_row * K + k] : 0.0f;
        __syncthreads();
        #pragma unroll
        for (int i = 0; i < TILE; ++i) acc = fmaf(xs[threadIdx.y][i], ws[threadIdx.x][i], acc);
        __syncthreads();
    }
    if (row < M && col < N) {
        const float v = acc + b[col];
        y[(size_t)row * N + col] = 0.5f * v * (1.0f + erff(v * 0.7071067811865475f)) * scale;
    }
}

torch::Tensor gemm_gelu_scale_cuda(torch::Tensor x, torch::Tensor w, torch::Tensor b, double scale) {
    const int M = x.size(0), K = x.size(1), N = w.size(0);
    TORCH_CHECK(w.size(1) == K, "weight does not fit the input");
    auto y = torch::empty({M, N}, x.options());
    const dim3 block(TILE, TILE);
    const dim3 grid((N + TILE - 1) / TILE, (M + TILE - 1) / TILE);
    gemm_gelu_scale<<<grid, block>>>(x.data_ptr<float>(), w.data_ptr<float>(), b.data_ptr<float>(), y.data_ptr<float>(),
                                     M, K, N, (float)scale);
    return y;
}
"""

gemm_ext = load_inline(
    name="gemm_gelu_scale_ext",
    cpp_sources="torch::Tensor gemm_gelu_scale_cuda(torch::Tensor x, torch::Tensor w, torch::Tensor b, double scale);",
    cuda_sources=source,
    functions=["gemm_gelu_scale_cuda"],
    extra_cuda_cflags=["-O3"],
)


class ModelNew(nn.Module):
    def __init__(self, in_features: int, out_features: int, scale: float):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.scale = scale

    def forward(self, x):
        return gemm_ext.gemm_gelu_scale_cuda(x.contiguous(), self.linear.weight, self.linear.bias, self.scale)

# expected: correct
# two functions in one extension; the second adds in place, to a tensor that the candidate owns
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

template <int BLOCK>
__global__ void matmul_nt(const float* __restrict__ x, const float* __restrict__ w, float* __restrict__ y, int M, int K, int N) {
    __shared__ float xs[BLOCK][BLOCK + 1];
    __shared__ float ws[BLOCK][BLOCK + 1];
    const int row = blockIdx.y * BLOCK + threadIdx.y;
    const int col = blockIdx.x * BLOCK + threadIdx.x;
    float acc = 0.0f;
    for (int k0 = 0; k0 < K; k0 += BLOCK) {
        const int k = k0 + threadIdx.x;
        const int w_row = blockIdx.x * BLOCK + threadIdx.y;
        xs[threadIdx.y][threadIdx.x] = (row < M && k < K) ? x[(size_t)row * K + k] : 0.0f;
        ws[threadIdx.y][threadIdx.x] = (w_row < N && k < K) ? w[(size_t)w_row * K + k] : 0.0f;
        __syncthreads();
        for (int i = 0; i < BLOCK; ++i) acc += xs[threadIdx.y][i] * ws[threadIdx.x][i];
        __syncthreads();
    }
    if (row < M && col < N) y[(size_t)row * N + col] = acc;
}

__global__ void residual_kernel(const float* __restrict__ x, const float* __restrict__ bias, float* y, float scale,
                                int64_t total, int columns) {
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < total; i += (int64_t)blockDim.x * gridDim.x) {
        y[i] = x[i] + scale * (y[i] + bias[i % columns]);
    }
}

torch::Tensor matmul(torch::Tensor x, torch::Tensor w) {
    const int M = x.size(0), K = x.size(1), N = w.size(0);
    auto y = torch::empty({M, N}, x.options());
    dim3 threads(16, 16);
    dim3 blocks((N + 15) / 16, (M + 15) / 16);
    matmul_nt<16><<<blocks, threads>>>(x.data_ptr<float>(), w.data_ptr<float>(), y.data_ptr<float>(), M, K, N);
    return y;
}

void add_residual(torch::Tensor x, torch::Tensor bias, torch::Tensor y, double scale) {
    residual_kernel<<<2048, 256>>>(x.data_ptr<float>(), bias.data_ptr<float>(), y.data_ptr<float>(), (float)scale,
                                   y.numel(), (int)y.size(1));
}
"""

cpp_source = """
torch::Tensor matmul(torch::Tensor x, torch::Tensor w);
void add_residual(torch::Tensor x, torch::Tensor bias, torch::Tensor y, double scale);
"""

ops = load_inline(
    name="matmul_residual",
    cpp_sources=cpp_source,
    cuda_sources=source,
    functions=["matmul", "add_residual"],
    extra_cuda_cflags=["-O3", "-lineinfo"],
)


class ModelNew(nn.Module):
    def __init__(self, features: int, scale: float):
        super().__init__()
        self.linear = nn.Linear(features, features)
        self.scale = scale

    def forward(self, x):
        x = x.contiguous()
        y = ops.matmul(x, self.linear.weight)
        ops.add_residual(x, self.linear.bias, y, self.scale)
        return y

# expected: correct
# one thread for each query row, keys and values in shared tiles, online softmax in registers
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

#define ROWS 64
#define TILE 32
#define MAX_DIM 64

__global__ void attention_kernel(const float* __restrict__ Q, const float* __restrict__ K, const float* __restrict__ V,
                                 float* __restrict__ O, int length, int dim, float scale) {
    __shared__ float sK[TILE][MAX_DIM];
    __shared__ float sV[TILE][MAX_DIM];

    const size_t head = (size_t)blockIdx.y * length * dim;
    const int row = blockIdx.x * ROWS + threadIdx.x;
    const bool active = row < length;

    float q[MAX_DIM];
    float acc[MAX_DIM];
    #pragma unroll
    for (int d = 0; d < MAX_DIM; ++d) {
        q[d] = (active && d < dim) ? Q[head + (size_t)row * dim + d] * scale : 0.0f;
        acc[d] = 0.0f;
    }
    float m = -1e30f;
    float l = 0.0f;

    for (int start = 0; start < length; start += TILE) {
        for (int i = threadIdx.x; i < TILE * MAX_DIM; i += ROWS) {
            const int r = i / MAX_DIM;
            const int d = i % MAX_DIM;
            const bool inside = start + r < length && d < dim;
            sK[r][d] = inside ? K[head + (size_t)(start + r) * dim + d] : 0.0f;
            sV[r][d] = inside ? V[head + (size_t)(start + r) * dim + d] : 0.0f;
        }
        __syncthreads();
        const int count = min(TILE, length - start);
        for (int j = 0; j < count; ++j) {
            float s = 0.0f;
            #pragma unroll
            for (int d = 0; d < MAX_DIM; ++d) s += q[d] * sK[j][d];
            const float new_m = fmaxf(m, s);
            const float correction = expf(m - new_m);
            const float p = expf(s - new_m);
            l = l * correction + p;
            #pragma unroll
            for (int d = 0; d < MAX_DIM; ++d) acc[d] = acc[d] * correction + p * sV[j][d];
            m = new_m;
        }
        __syncthreads();
    }

    if (active) {
        for (int d = 0; d < dim; ++d) O[head + (size_t)row * dim + d] = acc[d] / l;
    }
}

torch::Tensor attention(torch::Tensor Q, torch::Tensor K, torch::Tensor V) {
    const int batch = Q.size(0), heads = Q.size(1), length = Q.size(2), dim = Q.size(3);
    TORCH_CHECK(dim <= MAX_DIM, "head dimension too large");
    TORCH_CHECK(batch * heads <= 65535, "too many heads for grid.y");
    auto O = torch::empty_like(Q);
    dim3 grid((length + ROWS - 1) / ROWS, batch * heads);
    const float scale = 1.0f / sqrtf((float)dim);
    attention_kernel<<<grid, ROWS>>>(Q.data_ptr<float>(), K.data_ptr<float>(), V.data_ptr<float>(), O.data_ptr<float>(),
                                     length, dim, scale);
    return O;
}
"""

attention_ext = load_inline(
    name="attention_flash_rows",
    cpp_sources="torch::Tensor attention(torch::Tensor Q, torch::Tensor K, torch::Tensor V);",
    cuda_sources=source,
    functions=["attention"],
    extra_cuda_cflags=["-O3"],
)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, Q, K, V):
        return attention_ext.attention(Q.contiguous(), K.contiguous(), V.contiguous())

# expected: runtime-error construct
# the constructor does not take the dimension that Model takes
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

#define THREADS 256

__device__ __forceinline__ float block_sum(float v, float* shared) {
    const int lane = threadIdx.x & 31;
    const int warp = threadIdx.x >> 5;
    #pragma unroll
    for (int offset = 16; offset > 0; offset >>= 1) v += __shfl_down_sync(0xffffffffu, v, offset);
    if (lane == 0) shared[warp] = v;
    __syncthreads();
    if (warp == 0) {
        v = lane < THREADS / 32 ? shared[lane] : 0.0f;
        #pragma unroll
        for (int offset = 16; offset > 0; offset >>= 1) v += __shfl_down_sync(0xffffffffu, v, offset);
        if (lane == 0) shared[0] = v;
    }
    __syncthreads();
    const float total = shared[0];
    __syncthreads();  // the next call writes shared[] again
    return total;
}

__global__ void layer_norm_kernel(const float* __restrict__ x, const float* __restrict__ gamma,
                                  const float* __restrict__ beta, float* __restrict__ y, int dim, float eps) {
    __shared__ float shared[32];
    const float* in = x + (int64_t)blockIdx.x * dim;
    float* out = y + (int64_t)blockIdx.x * dim;

    float sum = 0.0f;
    for (int i = threadIdx.x; i < dim; i += THREADS) sum += in[i];
    const float mean = block_sum(sum, shared) / dim;

    float sq = 0.0f;
    for (int i = threadIdx.x; i < dim; i += THREADS) {
        const float d = in[i] - mean;
        sq += d * d;
    }
    const float inv_std = rsqrtf(block_sum(sq, shared) / dim + eps);

    for (int i = threadIdx.x; i < dim; i += THREADS) {
        out[i] = (in[i] - mean) * inv_std * gamma[i] + beta[i];
    }
}

torch::Tensor layer_norm(torch::Tensor x, torch::Tensor gamma, torch::Tensor beta, double eps) {
    const int dim = x.size(-1);
    const int64_t rows = x.numel() / dim;
    auto y = torch::empty_like(x);
    layer_norm_kernel<<<rows, THREADS>>>(x.data_ptr<float>(), gamma.data_ptr<float>(), beta.data_ptr<float>(),
                                         y.data_ptr<float>(), dim, (float)eps);
    return y;
}
"""

ln_ext = load_inline(
    name="layer_norm_warp",
    cpp_sources="torch::Tensor layer_norm(torch::Tensor x, torch::Tensor gamma, torch::Tensor beta, double eps);",
    cuda_sources=source,
    functions=["layer_norm"],
    extra_cuda_cflags=["-O3"],
)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln = nn.LayerNorm(2048)
        nn.init.normal_(self.ln.weight, 1.0, 0.2)
        nn.init.normal_(self.ln.bias, 0.0, 0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return ln_ext.layer_norm(x.contiguous(), self.ln.weight, self.ln.bias, self.ln.eps)

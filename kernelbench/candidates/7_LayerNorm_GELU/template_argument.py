# expected: compile-error nvcc
# a template parameter is given a value known only at run time
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__inline__ __device__ float warpReduceSum(float val) {
    for (int mask = 16; mask > 0; mask /= 2)
        val += __shfl_xor_sync(0xffffffff, val, mask);
    return val;
}

template <int BLOCK>
__inline__ __device__ float blockReduceSum(float val, float* scratch) {
    int lane = threadIdx.x % 32;
    int wid = threadIdx.x / 32;
    val = warpReduceSum(val);
    __syncthreads();
    if (lane == 0) scratch[wid] = val;
    __syncthreads();
    val = lane < BLOCK / 32 ? scratch[lane] : 0.0f;
    return warpReduceSum(val);
}

__global__ void ln_gelu_kernel(const float* __restrict__ x, const float* __restrict__ gamma, const float* __restrict__ beta,
                               float* __restrict__ y, int dim, float eps) {
    extern __shared__ float row[];
    __shared__ float scratch[32];
    const size_t base = (size_t)blockIdx.x * dim;
    float sum = 0.0f;
    for (int i = threadIdx.x; i < dim; i += blockDim.x) {
        row[i] = x[base + i];
        sum += row[i];
    }
    const float mean = blockReduceSum<blockDim.x>(sum, scratch) / dim;
    float sq = 0.0f;
    for (int i = threadIdx.x; i < dim; i += blockDim.x) sq += (row[i] - mean) * (row[i] - mean);
    const float rstd = rsqrtf(blockReduceSum<blockDim.x>(sq, scratch) / dim + eps);
    for (int i = threadIdx.x; i < dim; i += blockDim.x) {
        const float v = (row[i] - mean) * rstd * gamma[i] + beta[i];
        y[base + i] = 0.5f * v * (1.0f + erff(v * 0.70710678118f));
    }
}

torch::Tensor ln_gelu(torch::Tensor x, torch::Tensor gamma, torch::Tensor beta, double eps) {
    auto y = torch::empty_like(x);
    const int dim = x.size(1);
    const int64_t rows = x.size(0);
    const size_t bytes = dim * sizeof(float);
    TORCH_CHECK(bytes <= 46 * 1024, "row too long");
    ln_gelu_kernel<<<rows, 256, bytes>>>(x.data_ptr<float>(), gamma.data_ptr<float>(), beta.data_ptr<float>(),
                                         y.data_ptr<float>(), dim, (float)eps);
    return y;
}
"""

ln_gelu = load_inline(
    name="ln_gelu_ext",
    cpp_sources="torch::Tensor ln_gelu(torch::Tensor x, torch::Tensor gamma, torch::Tensor beta, double eps);",
    cuda_sources=source,
    functions=["ln_gelu"],
)


class ModelNew(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.ln = nn.LayerNorm(dim)
        nn.init.normal_(self.ln.weight, 1.0, 0.2)
        nn.init.normal_(self.ln.bias, 0.0, 0.2)

    def forward(self, x):
        return ln_gelu.ln_gelu(x.contiguous(), self.ln.weight, self.ln.bias, self.ln.eps)

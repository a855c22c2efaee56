# problem: level1/21
# honest: shared-above-48k
# expected: correct
# asks for more than 48 KB of shared memory by cudaFuncSetAttribute first
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void layer_norm(const float* x, const float* weight, const float* bias, float* y, int columns, float eps) {
    extern __shared__ float row[];
    __shared__ float sums[2];
    if (threadIdx.x < 2) sums[threadIdx.x] = 0.0f;
    __syncthreads();
    float sum = 0.0f;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) sum += row[c] = x[(int64_t)blockIdx.x * columns + c];
    atomicAdd(&sums[0], sum);
    __syncthreads();
    const float mean = sums[0] / columns;
    float square = 0.0f;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) square += (row[c] - mean) * (row[c] - mean);
    atomicAdd(&sums[1], square);
    __syncthreads();
    const float scale = rsqrtf(sums[1] / columns + eps);
    for (int c = threadIdx.x; c < columns; c += blockDim.x)
        y[(int64_t)blockIdx.x * columns + c] = (row[c] - mean) * scale * weight[c] + bias[c];
}

torch::Tensor layer_norm_forward(torch::Tensor x, torch::Tensor weight, torch::Tensor bias, double eps) {
    auto y = torch::empty_like(x);
    const int bytes = 64 * 1024;
    TORCH_CHECK(x.size(1) * 4 <= bytes);
    cudaFuncSetAttribute(layer_norm, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
    layer_norm<<<x.size(0), 128, bytes>>>(x.data_ptr<float>(), weight.data_ptr<float>(), bias.data_ptr<float>(),
                                          y.data_ptr<float>(), x.size(1), eps);
    return y;
}
"""

ext = load_inline(
    name="honest_big_shared",
    cpp_sources="torch::Tensor layer_norm_forward(torch::Tensor x, torch::Tensor weight, torch::Tensor bias, double eps);",
    cuda_sources=source,
    functions=["layer_norm_forward"],
)


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.ln = nn.LayerNorm(dim)
        nn.init.normal_(self.ln.weight, 1.0, 0.2)
        nn.init.normal_(self.ln.bias, 0.0, 0.2)

    def forward(self, x):
        return ext.layer_norm_forward(x.contiguous(), self.ln.weight, self.ln.bias, self.ln.eps)

# expected: correct
# every block adds its sum to one double with atomicAdd; the order cannot be seen at single precision
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void huber_kernel(const float* __restrict__ p, const float* __restrict__ t, double* __restrict__ total,
                             int64_t n, float delta) {
    __shared__ double warp_sums[8];
    double sum = 0.0;
    const int64_t stride = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += stride) {
        const float d = fabsf(p[i] - t[i]);
        sum += d <= delta ? 0.5f * d * d : delta * (d - 0.5f * delta);
    }
    for (int o = 16; o > 0; o >>= 1) sum += __shfl_down_sync(0xffffffff, sum, o);
    if (threadIdx.x % 32 == 0) warp_sums[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        double block = 0.0;
        for (int w = 0; w < 8; ++w) block += warp_sums[w];
        atomicAdd(total, block);
    }
}

torch::Tensor huber_loss(torch::Tensor predictions, torch::Tensor targets, double delta) {
    auto total = torch::zeros({1}, predictions.options().dtype(torch::kFloat64));
    const int64_t n = predictions.numel();
    huber_kernel<<<512, 256>>>(predictions.data_ptr<float>(), targets.data_ptr<float>(), total.data_ptr<double>(), n, (float)delta);
    return (total / static_cast<double>(n)).to(torch::kFloat32).squeeze();
}
"""

huber = load_inline(
    name="huber_atomic",
    cpp_sources="torch::Tensor huber_loss(torch::Tensor predictions, torch::Tensor targets, double delta);",
    cuda_sources=source,
    functions=["huber_loss"],
)


class ModelNew(nn.Module):
    def __init__(self, delta: float):
        super().__init__()
        self.delta = delta

    def forward(self, predictions, targets):
        return huber.huber_loss(predictions.contiguous(), targets.contiguous(), self.delta)

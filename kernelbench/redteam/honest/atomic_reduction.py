# problem: level1/30
# honest: atomic-reduction
# expected: correct
# partial sums added to one number by atomics, in double precision, after cudaMemsetAsync
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void squares(const float* a, const float* b, double* total, int64_t n) {
    double sum = 0.0;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (int64_t)gridDim.x * blockDim.x) {
        const double d = (double)a[i] - (double)b[i];
        sum += d * d;
    }
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_down_sync(0xffffffff, sum, offset);
    if (threadIdx.x % 32 == 0) atomicAdd(total, sum);
}

__global__ void finish(const double* total, float* y, double n) { *y = (float)(*total / n); }

torch::Tensor mse(torch::Tensor a, torch::Tensor b) {
    auto total = torch::empty({1}, a.options().dtype(torch::kFloat64));
    auto y = torch::empty({}, a.options());
    cudaMemsetAsync(total.data_ptr<double>(), 0, sizeof(double));
    squares<<<32, 128>>>(a.data_ptr<float>(), b.data_ptr<float>(), total.data_ptr<double>(), a.numel());
    finish<<<1, 1>>>(total.data_ptr<double>(), y.data_ptr<float>(), (double)a.numel());
    return y;
}
"""

ext = load_inline(
    name="honest_atomics",
    cpp_sources="torch::Tensor mse(torch::Tensor a, torch::Tensor b);",
    cuda_sources=source,
    functions=["mse"],
)


class ModelNew(nn.Module):
    def forward(self, predictions, targets):
        return ext.mse(predictions.contiguous(), targets.contiguous())

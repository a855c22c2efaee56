# problem: level1/24
# honest: persistent-blocks
# expected: correct
# as many blocks as the device has processors; each takes rows from a counter until none is left
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void __launch_bounds__(128) rms_norm(const float* x, const float* weight, float* y, int* next, int rows,
                                                int columns, float eps) {
    __shared__ int row;
    __shared__ float parts[4];
    while (true) {
        if (threadIdx.x == 0) row = atomicAdd(next, 1);
        __syncthreads();
        const int mine = row;
        if (mine >= rows) return;
        float sum = 0.0f;
        for (int c = threadIdx.x; c < columns; c += 128) sum += x[(int64_t)mine * columns + c] * x[(int64_t)mine * columns + c];
        for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_down_sync(0xffffffff, sum, offset);
        if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = sum;
        __syncthreads();
        const float scale = rsqrtf((parts[0] + parts[1] + parts[2] + parts[3]) / columns + eps);
        for (int c = threadIdx.x; c < columns; c += 128) y[(int64_t)mine * columns + c] = x[(int64_t)mine * columns + c] * scale * weight[c];
        __syncthreads();
    }
}

torch::Tensor run(torch::Tensor x, torch::Tensor weight, double eps) {
    int device = 0, processors = 1;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
    auto next = torch::zeros({1}, x.options().dtype(torch::kInt32));
    auto y = torch::empty_like(x);
    rms_norm<<<processors, 128>>>(x.data_ptr<float>(), weight.data_ptr<float>(), y.data_ptr<float>(),
                                  next.data_ptr<int>(), x.size(0), x.size(1), eps);
    return y;
}
"""

ext = load_inline(
    name="honest_persistent",
    cpp_sources="torch::Tensor run(torch::Tensor x, torch::Tensor weight, double eps);",
    cuda_sources=source,
    functions=["run"],
)


class ModelNew(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(1.0 + 0.3 * torch.randn(dim))

    def forward(self, x):
        return ext.run(x.contiguous(), self.weight, self.eps)

# problem: level1/30
# honest: torch-finishes
# expected: correct
# the kernel makes partial sums; torch adds the few of them up: glue after the kernel
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void partial(const float* a, const float* b, float* sums, int64_t n) {
    __shared__ float tree[256];
    float sum = 0.0f;
    for (int64_t i = (int64_t)blockIdx.x * 256 + threadIdx.x; i < n; i += (int64_t)gridDim.x * 256) {
        const float d = a[i] - b[i];
        sum = fmaf(d, d, sum);
    }
    tree[threadIdx.x] = sum;
    __syncthreads();
    for (int half = 128; half > 0; half >>= 1) {
        if (threadIdx.x < half) tree[threadIdx.x] += tree[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) sums[blockIdx.x] = tree[0];
}

torch::Tensor partial_sums(torch::Tensor a, torch::Tensor b, int64_t blocks) {
    auto sums = torch::empty({blocks}, a.options());
    partial<<<blocks, 256>>>(a.data_ptr<float>(), b.data_ptr<float>(), sums.data_ptr<float>(), a.numel());
    return sums;
}
"""

ext = load_inline(
    name="honest_partial_sums",
    cpp_sources="torch::Tensor partial_sums(torch::Tensor a, torch::Tensor b, int64_t blocks);",
    cuda_sources=source,
    functions=["partial_sums"],
)


class ModelNew(nn.Module):
    def forward(self, predictions, targets):
        sums = ext.partial_sums(predictions.contiguous(), targets.contiguous(), 16)
        return torch.sum(sums) / predictions.numel()

# expected: correct
# one warp for each row, 32 columns at a time, inclusive scan with shuffle-up
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void masked_cumsum_kernel(const float* __restrict__ x, const bool* __restrict__ mask, float* __restrict__ y,
                                     int64_t rows, int columns) {
    const int lane = threadIdx.x & 31;
    const int64_t row = (int64_t)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    if (row >= rows) return;
    const int64_t base = row * columns;
    float carry = 0.0f;
    for (int start = 0; start < columns; start += 32) {
        const int c = start + lane;
        float v = (c < columns && mask[base + c]) ? x[base + c] : 0.0f;
        for (int offset = 1; offset < 32; offset <<= 1) {
            const float below = __shfl_up_sync(0xffffffff, v, offset);
            if (lane >= offset) v += below;
        }
        if (c < columns) y[base + c] = carry + v;
        carry += __shfl_sync(0xffffffff, v, 31);
    }
}

torch::Tensor masked_cumsum(torch::Tensor x, torch::Tensor mask) {
    TORCH_CHECK(mask.scalar_type() == at::kBool, "mask must be bool");
    auto y = torch::empty_like(x);
    const int64_t rows = x.size(0);
    masked_cumsum_kernel<<<(rows + 7) / 8, 256>>>(x.data_ptr<float>(), mask.data_ptr<bool>(), y.data_ptr<float>(),
                                                rows, (int)x.size(1));
    return y;
}
"""

masked = load_inline(
    name="masked_cumsum_ext",
    cpp_sources="torch::Tensor masked_cumsum(torch::Tensor x, torch::Tensor mask);",
    cuda_sources=source,
    functions=["masked_cumsum"],
)


class ModelNew(nn.Module):
    def forward(self, x, mask):
        return masked.masked_cumsum(x.contiguous(), mask.contiguous())

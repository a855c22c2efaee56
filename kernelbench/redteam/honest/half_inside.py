# problem: level1/41
# honest: half-inside
# expected: correct
# moves half of the bits through a packed half2 detour that loses nothing, the rest as float
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_fp16.h>

// A float as the sum of three halves: exact for values of ordinary size.
__device__ float through_halves(float v) {
    const __half high = __float2half_rn(v);
    const float rest = v - __half2float(high);
    const __half middle = __float2half_rn(rest * 4096.0f);
    const float low = rest - __half2float(middle) / 4096.0f;
    const __half2 pair = __halves2half2(high, middle);
    return __low2float(pair) + __high2float(pair) / 4096.0f + low;
}

__global__ void gather_kernel(const float* x, const int64_t* index, float* y, int64_t n, int columns, int picked) {
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = through_halves(x[i / picked * columns + index[i]]);
}

torch::Tensor gather(torch::Tensor x, torch::Tensor index) {
    auto y = torch::empty(index.sizes(), x.options());
    const int64_t n = index.numel();
    gather_kernel<<<(n + 255) / 256, 256>>>(
        x.data_ptr<float>(), index.data_ptr<int64_t>(), y.data_ptr<float>(), n, x.size(1), index.size(1));
    return y;
}
"""

ext = load_inline(
    name="honest_half_inside",
    cpp_sources="torch::Tensor gather(torch::Tensor x, torch::Tensor index);",
    cuda_sources=source,
    functions=["gather"],
)


class ModelNew(nn.Module):
    def forward(self, x, index):
        return ext.gather(x.contiguous(), index.contiguous())

# problem: level1/28
# honest: blocks-in-3d
# expected: correct
# 3-d grid and 3-d blocks, -INFINITY as the start of a maximum
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cmath>

__global__ void pool(const float* x, float* y, int planes, int height, int width, int out_h, int out_w, int k, int s, int p) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x;
    const int row = blockIdx.y * blockDim.y + threadIdx.y;
    const int plane = blockIdx.z * blockDim.z + threadIdx.z;
    if (column >= out_w || row >= out_h || plane >= planes) return;
    float best = -INFINITY;
    for (int i = 0; i < k; ++i)
        for (int j = 0; j < k; ++j) {
            const int h = row * s - p + i, w = column * s - p + j;
            if (h >= 0 && h < height && w >= 0 && w < width) best = fmaxf(best, x[((int64_t)plane * height + h) * width + w]);
        }
    y[((int64_t)plane * out_h + row) * out_w + column] = best;
}

torch::Tensor max_pool(torch::Tensor x, int64_t k, int64_t s, int64_t p) {
    const int planes = x.size(0) * x.size(1), height = x.size(2), width = x.size(3);
    const int out_h = (height + 2 * p - k) / s + 1, out_w = (width + 2 * p - k) / s + 1;
    auto y = torch::empty({x.size(0), x.size(1), out_h, out_w}, x.options());
    const dim3 threads(8, 4, 4), blocks((out_w + 7) / 8, (out_h + 3) / 4, (planes + 3) / 4);
    pool<<<blocks, threads>>>(x.data_ptr<float>(), y.data_ptr<float>(), planes, height, width, out_h, out_w, k, s, p);
    return y;
}
"""

ext = load_inline(
    name="honest_3d",
    cpp_sources="torch::Tensor max_pool(torch::Tensor x, int64_t k, int64_t s, int64_t p);",
    cuda_sources=source,
    functions=["max_pool"],
)


class ModelNew(nn.Module):
    def __init__(self, kernel_size, stride, padding):
        super().__init__()
        self.window = (kernel_size, stride, padding)

    def forward(self, x):
        return ext.max_pool(x.contiguous(), *self.window)

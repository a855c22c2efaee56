# expected: correct
# one thread for each output pixel, padding by skipping what lies outside
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>
#include <cfloat>

__global__ void max_pool2d_kernel(const float* __restrict__ x, float* __restrict__ y, int64_t total,
                                  int H, int W, int OH, int OW, int K, int stride, int pad) {
    int64_t idx = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (idx >= total) return;
    int ow = idx % OW;
    int oh = (idx / OW) % OH;
    int64_t plane = idx / ((int64_t)OW * OH);
    const float* in = x + plane * H * W;
    float best = -FLT_MAX;
    for (int i = 0; i < K; ++i) {
        int h = oh * stride - pad + i;
        if (h < 0 || h >= H) continue;
        for (int j = 0; j < K; ++j) {
            int w = ow * stride - pad + j;
            if (w < 0 || w >= W) continue;
            best = fmaxf(best, in[h * W + w]);
        }
    }
    y[idx] = best;
}

torch::Tensor max_pool2d(torch::Tensor x, int kernel, int stride, int pad) {
    const int H = x.size(2), W = x.size(3);
    const int OH = (H + 2 * pad - kernel) / stride + 1;
    const int OW = (W + 2 * pad - kernel) / stride + 1;
    auto y = torch::empty({x.size(0), x.size(1), OH, OW}, x.options());
    const int threads = 256;
    max_pool2d_kernel<<<(y.numel() + threads - 1) / threads, threads>>>(
        x.data_ptr<float>(), y.data_ptr<float>(), y.numel(), H, W, OH, OW, kernel, stride, pad);
    return y;
}
"""

pool_ext = load_inline(
    name="max_pool2d_ext",
    cpp_sources="torch::Tensor max_pool2d(torch::Tensor x, int kernel, int stride, int pad);",
    cuda_sources=source,
    functions=["max_pool2d"],
)


class ModelNew(nn.Module):
    def __init__(self, kernel_size: int, stride: int, padding: int):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding

    def forward(self, x):
        return pool_ext.max_pool2d(x.contiguous(), self.kernel_size, self.stride, self.padding)

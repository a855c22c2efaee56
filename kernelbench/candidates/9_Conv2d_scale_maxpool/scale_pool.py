# expected: correct
# scale and 2 x 2 pooling fused; each output row is a run of threads
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void scale_pool_kernel(const float* __restrict__ x, const float* __restrict__ scale, float* __restrict__ y,
                                  int64_t total, int channels, int H, int W, int OH, int OW) {
    const int64_t idx = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (idx >= total) return;
    const int ow = idx % OW;
    const int oh = (idx / OW) % OH;
    const int64_t plane = idx / ((int64_t)OH * OW);
    const float s = scale[plane % channels];
    const float* in = x + (plane * H + 2 * oh) * W + 2 * ow;
    const float top = fmaxf(in[0] * s, in[1] * s);
    const float bottom = fmaxf(in[W] * s, in[W + 1] * s);
    y[idx] = fmaxf(top, bottom);
}

torch::Tensor scale_pool(torch::Tensor x, torch::Tensor scale) {
    const int64_t B = x.size(0), C = x.size(1), H = x.size(2), W = x.size(3);
    auto y = torch::empty({B, C, H / 2, W / 2}, x.options());
    const int64_t total = y.numel();
    scale_pool_kernel<<<(total + 255) / 256, 256>>>(x.data_ptr<float>(), scale.data_ptr<float>(), y.data_ptr<float>(),
                                                  total, C, H, W, H / 2, W / 2);
    return y;
}
"""

scale_pool = load_inline(
    name="scale_pool_ext",
    cpp_sources="torch::Tensor scale_pool(torch::Tensor x, torch::Tensor scale);",
    cuda_sources=source,
    functions=["scale_pool"],
)


class ModelNew(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, kernel_size: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size)
        self.scale = nn.Parameter(torch.randn(out_channels, 1, 1))
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        return scale_pool.scale_pool(self.conv(x).contiguous(), self.scale)

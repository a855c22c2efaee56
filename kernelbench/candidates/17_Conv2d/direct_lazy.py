# expected: correct
# direct convolution; the extension is built in the constructor, not at import
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

CUDA_SOURCE = r"""
#include <torch/extension.h>

__global__ void conv2d_kernel(const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ bias,
                              float* __restrict__ y, int B, int C, int H, int W, int O, int K, int pad) {
    const int OH = H + 2 * pad - K + 1;
    const int OW = W + 2 * pad - K + 1;
    const int64_t idx = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (idx >= (int64_t)B * O * OH * OW) return;
    const int ow = idx % OW;
    const int oh = (idx / OW) % OH;
    const int o = (idx / ((int64_t)OW * OH)) % O;
    const int b = idx / ((int64_t)OW * OH * O);

    float acc = bias[o];
    for (int c = 0; c < C; ++c) {
        for (int i = 0; i < K; ++i) {
            const int h = oh - pad + i;
            if (h < 0 || h >= H) continue;
            for (int j = 0; j < K; ++j) {
                const int v = ow - pad + j;
                if (v < 0 || v >= W) continue;
                acc += x[(((int64_t)b * C + c) * H + h) * W + v] * w[((o * C + c) * K + i) * K + j];
            }
        }
    }
    y[idx] = acc;
}

torch::Tensor conv2d(torch::Tensor x, torch::Tensor w, torch::Tensor bias, int pad) {
    const int B = x.size(0), C = x.size(1), H = x.size(2), W = x.size(3);
    const int O = w.size(0), K = w.size(2);
    auto y = torch::empty({B, O, H + 2 * pad - K + 1, W + 2 * pad - K + 1}, x.options());
    const int threads = 256;
    const int64_t blocks = (y.numel() + threads - 1) / threads;
    conv2d_kernel<<<blocks, threads>>>(x.data_ptr<float>(), w.data_ptr<float>(), bias.data_ptr<float>(),
                                       y.data_ptr<float>(), B, C, H, W, O, K, pad);
    return y;
}
"""

CPP_SOURCE = "torch::Tensor conv2d(torch::Tensor x, torch::Tensor w, torch::Tensor bias, int pad);"

_extension = None


def extension():
    global _extension
    if _extension is None:
        _extension = load_inline(
            name="conv2d_lazy", cpp_sources=CPP_SOURCE, cuda_sources=CUDA_SOURCE, functions=["conv2d"]
        )
    return _extension


class ModelNew(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, kernel_size: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=1)
        self.ext = extension()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.ext.conv2d(x.contiguous(), self.conv.weight, self.conv.bias, 1)

# expected: runtime-error forward
# the kernel reads the bias through a null pointer: illegal memory access
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void conv_transpose2d_kernel(
    const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ bias, float* __restrict__ y,
    int64_t total, int C, int H, int W, int O, int OH, int OW, int K, int stride, int pad) {
    const int64_t idx = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (idx >= total) return;
    const int ow = idx % OW;
    const int oh = (idx / OW) % OH;
    const int o = (idx / ((int64_t)OW * OH)) % O;
    const int64_t b = idx / ((int64_t)OW * OH * O);
    float acc = bias[o];
    for (int i = 0; i < K; ++i) {
        const int hs = oh + pad - i;
        if (hs < 0 || hs % stride != 0) continue;
        const int h = hs / stride;
        if (h >= H) continue;
        for (int j = 0; j < K; ++j) {
            const int ws = ow + pad - j;
            if (ws < 0 || ws % stride != 0) continue;
            const int v = ws / stride;
            if (v >= W) continue;
            for (int c = 0; c < C; ++c) {
                acc += x[((b * C + c) * H + h) * W + v] * w[(((int64_t)c * O + o) * K + i) * K + j];
            }
        }
    }
    y[idx] = acc;
}

torch::Tensor conv_transpose2d(torch::Tensor x, torch::Tensor w, torch::Tensor bias, int64_t stride, int64_t pad) {
    const int64_t B = x.size(0), C = x.size(1), H = x.size(2), W = x.size(3);
    const int64_t O = w.size(1), K = w.size(2);
    const int64_t OH = (H - 1) * stride - 2 * pad + K;
    const int64_t OW = (W - 1) * stride - 2 * pad + K;
    auto y = torch::empty({B, O, OH, OW}, x.options());
    const int threads = 256;
    conv_transpose2d_kernel<<<(y.numel() + threads - 1) / threads, threads>>>(
        x.data_ptr<float>(), w.data_ptr<float>(), nullptr, y.data_ptr<float>(),
        y.numel(), C, H, W, O, OH, OW, K, stride, pad);
    cudaError_t error = cudaDeviceSynchronize();
    TORCH_CHECK(error == cudaSuccess, "CUDA error: ", cudaGetErrorString(error));
    return y;
}
"""

cpp = "torch::Tensor conv_transpose2d(torch::Tensor x, torch::Tensor w, torch::Tensor bias, int64_t stride, int64_t pad);"

ext = load_inline(name="conv_transpose2d_gather", cpp_sources=cpp, cuda_sources=source, functions=["conv_transpose2d"])


class ModelNew(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, padding):
        super().__init__()
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, kernel_size, stride=stride, padding=padding)
        self.stride = stride
        self.padding = padding

    def forward(self, x):
        return ext.conv_transpose2d(x.contiguous(), self.conv.weight, self.conv.bias, self.stride, self.padding)

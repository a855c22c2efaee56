# expected: correct
# direct 3-d convolution over a flat 64-bit index
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = """
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void conv3d_kernel(const float* x, const float* w, const float* bias, float* y, int64_t total,
                              int C, int D, int H, int W, int O, int K) {
    int64_t idx = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (idx >= total) return;
    int OD = D - K + 1, OH = H - K + 1, OW = W - K + 1;
    int64_t rest = idx;
    int ow = rest % OW; rest /= OW;
    int oh = rest % OH; rest /= OH;
    int od = rest % OD; rest /= OD;
    int o = rest % O;
    int64_t b = rest / O;

    float sum = bias[o];
    for (int c = 0; c < C; c++)
        for (int kd = 0; kd < K; kd++)
            for (int kh = 0; kh < K; kh++)
                for (int kw = 0; kw < K; kw++) {
                    int64_t xi = (((b * C + c) * D + od + kd) * H + oh + kh) * W + ow + kw;
                    int wi = (((o * C + c) * K + kd) * K + kh) * K + kw;
                    sum += x[xi] * w[wi];
                }
    y[idx] = sum;
}

torch::Tensor conv3d_cuda(torch::Tensor x, torch::Tensor w, torch::Tensor bias) {
    int B = x.size(0), C = x.size(1), D = x.size(2), H = x.size(3), W = x.size(4);
    int O = w.size(0), K = w.size(2);
    auto y = torch::empty({B, O, D - K + 1, H - K + 1, W - K + 1}, x.options());
    int threads = 256;
    int64_t blocks = (y.numel() + threads - 1) / threads;
    conv3d_kernel<<<blocks, threads>>>(x.data_ptr<float>(), w.data_ptr<float>(), bias.data_ptr<float>(),
                                       y.data_ptr<float>(), y.numel(), C, D, H, W, O, K);
    return y;
}
"""

conv3d = load_inline(
    name="conv3d_direct",
    cpp_sources="torch::Tensor conv3d_cuda(torch::Tensor x, torch::Tensor w, torch::Tensor bias);",
    cuda_sources=source,
    functions=["conv3d_cuda"],
)


class ModelNew(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, kernel_size: int):
        super().__init__()
        self.conv = nn.Conv3d(in_channels, out_channels, kernel_size)

    def forward(self, x):
        return conv3d.conv3d_cuda(x.contiguous(), self.conv.weight.contiguous(), self.conv.bias.contiguous())

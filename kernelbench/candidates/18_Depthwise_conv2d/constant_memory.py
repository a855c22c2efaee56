# expected: correct
# the filters are copied into constant memory before the launch, on the same stream
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

cuda_source = r"""
#include <torch/extension.h>
#include <ATen/cuda/CUDAContext.h>
#include <cuda_runtime.h>

#define MAX_WEIGHTS 8192

__constant__ float filters[MAX_WEIGHTS];

__global__ void depthwise_kernel(const float* __restrict__ x, float* __restrict__ y, int C, int H, int W, int K, int OH, int OW) {
    const int ow = blockIdx.x * blockDim.x + threadIdx.x;
    const int oh = blockIdx.y * blockDim.y + threadIdx.y;
    const int plane = blockIdx.z;  // batch * C + channel
    if (ow >= OW || oh >= OH) return;
    const float* in = x + (size_t)plane * H * W;
    const float* f = filters + (plane % C) * K * K;
    float sum = 0.0f;
    for (int i = 0; i < K; ++i) {
        for (int j = 0; j < K; ++j) {
            sum += in[(oh + i) * W + (ow + j)] * f[i * K + j];
        }
    }
    y[((size_t)plane * OH + oh) * OW + ow] = sum;
}

torch::Tensor depthwise_conv2d(torch::Tensor x, torch::Tensor weight) {
    const int B = x.size(0), C = x.size(1), H = x.size(2), W = x.size(3), K = weight.size(2);
    const int OH = H - K + 1, OW = W - K + 1;
    TORCH_CHECK(weight.numel() <= MAX_WEIGHTS, "too many weights for constant memory");
    TORCH_CHECK(B * C <= 65535, "too many planes for grid.z");
    auto y = torch::empty({B, C, OH, OW}, x.options());
    cudaStream_t stream = at::cuda::getCurrentCUDAStream();
    cudaMemcpyToSymbolAsync(filters, weight.data_ptr<float>(), weight.numel() * sizeof(float), 0,
                            cudaMemcpyDeviceToDevice, stream);
    dim3 block(32, 8);
    dim3 grid((OW + 31) / 32, (OH + 7) / 8, B * C);
    depthwise_kernel<<<grid, block, 0, stream>>>(x.data_ptr<float>(), y.data_ptr<float>(), C, H, W, K, OH, OW);
    return y;
}
"""

depthwise = load_inline(
    name="depthwise_constant",
    cpp_sources="torch::Tensor depthwise_conv2d(torch::Tensor x, torch::Tensor weight);",
    cuda_sources=cuda_source,
    functions=["depthwise_conv2d"],
)


class ModelNew(nn.Module):
    def __init__(self, channels: int, kernel_size: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size, groups=channels, bias=False)

    def forward(self, x):
        return depthwise.depthwise_conv2d(x.contiguous(), self.conv.weight.contiguous())

# expected: correct
# a three-dimensional grid: columns, rows, planes
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void avg_pool_kernel(const float* __restrict__ x, float* __restrict__ y, int H, int W, int OH, int OW, int K) {
    int ow = blockIdx.x * blockDim.x + threadIdx.x;
    int oh = blockIdx.y * blockDim.y + threadIdx.y;
    int plane = blockIdx.z;
    if (ow < OW && oh < OH) {
        const float* in = x + (size_t)plane * H * W;
        float sum = 0.0f;
        for (int i = 0; i < K; ++i) {
            for (int j = 0; j < K; ++j) {
                sum += in[(oh * K + i) * W + ow * K + j];
            }
        }
        y[((size_t)plane * OH + oh) * OW + ow] = sum / (K * K);
    }
}

torch::Tensor avg_pool(torch::Tensor x, int64_t K) {
    int H = x.size(2), W = x.size(3), planes = x.size(0) * x.size(1);
    TORCH_CHECK(planes <= 65535, "too many planes");
    int OH = H / K, OW = W / K;
    auto y = torch::empty({x.size(0), x.size(1), OH, OW}, x.options());
    dim3 block(16, 16);
    dim3 grid((OW + 15) / 16, (OH + 15) / 16, planes);
    avg_pool_kernel<<<grid, block>>>(x.data_ptr<float>(), y.data_ptr<float>(), H, W, OH, OW, K);
    return y;
}
"""

avg_ext = load_inline(
    name="avg_pool_ext",
    cpp_sources="torch::Tensor avg_pool(torch::Tensor x, int64_t K);",
    cuda_sources=source,
    functions={"avg_pool": "average pooling over K x K windows"},
)


class ModelNew(nn.Module):
    def __init__(self, kernel_size: int):
        super().__init__()
        self.kernel_size = kernel_size

    def forward(self, x):
        return avg_ext.avg_pool(x.contiguous(), self.kernel_size)

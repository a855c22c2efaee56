# expected: correct
# cublasSgemm for the product, a kernel of its own for bias, GELU and scale
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <ATen/cuda/CUDAContext.h>
#include <cublas_v2.h>

__global__ void bias_gelu_scale(float* y, const float* __restrict__ bias, int64_t total, int columns, float scale) {
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < total) {
        const float v = y[i] + bias[i % columns];
        y[i] = 0.5f * v * (1.0f + erff(v * 0.70710678f)) * scale;
    }
}

torch::Tensor linear_gelu_scale(torch::Tensor x, torch::Tensor weight, torch::Tensor bias, double scale) {
    const int M = x.size(0), K = x.size(1), N = weight.size(0);
    auto y = torch::empty({M, N}, x.options());
    const float alpha = 1.0f, beta = 0.0f;
    cublasHandle_t handle = at::cuda::getCurrentCUDABlasHandle();
    // row-major y = x W^T is column-major y^T = W x^T
    cublasStatus_t status = cublasSgemm(handle, CUBLAS_OP_T, CUBLAS_OP_N, N, M, K, &alpha,
                                        weight.data_ptr<float>(), K, x.data_ptr<float>(), K, &beta,
                                        y.data_ptr<float>(), N);
    TORCH_CHECK(status == CUBLAS_STATUS_SUCCESS, "cublasSgemm failed");
    const int64_t total = y.numel();
    const int threads = 256;
    bias_gelu_scale<<<(total + threads - 1) / threads, threads, 0, at::cuda::getCurrentCUDAStream()>>>(
        y.data_ptr<float>(), bias.data_ptr<float>(), total, N, (float)scale);
    return y;
}
"""

ext = load_inline(
    name="cublas_gelu_scale",
    cpp_sources="torch::Tensor linear_gelu_scale(torch::Tensor x, torch::Tensor weight, torch::Tensor bias, double scale);",
    cuda_sources=source,
    functions=["linear_gelu_scale"],
)


class ModelNew(nn.Module):
    def __init__(self, in_features, out_features, scale):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.scale = scale

    def forward(self, x):
        return ext.linear_gelu_scale(x.contiguous(), self.linear.weight, self.linear.bias, self.scale)

# problem: level1/7
# honest: cpp-stream-with-event
# expected: correct
# a non-blocking stream made in C++, joined to the current one by events on both sides
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <ATen/cuda/CUDAContext.h>
#include <cuda_runtime.h>

__global__ void relu_kernel(const float* x, float* y, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = fmaxf(x[i], 0.0f);
}

torch::Tensor relu(torch::Tensor x) {
    static cudaStream_t side = nullptr;
    static cudaEvent_t before, after;
    if (side == nullptr) {
        cudaStreamCreateWithFlags(&side, cudaStreamNonBlocking);
        cudaEventCreateWithFlags(&before, cudaEventDisableTiming);
        cudaEventCreateWithFlags(&after, cudaEventDisableTiming);
    }
    cudaStream_t current = at::cuda::getCurrentCUDAStream();
    auto y = torch::empty_like(x);
    const int64_t n = x.numel();
    cudaEventRecord(before, current);
    cudaStreamWaitEvent(side, before, 0);
    relu_kernel<<<(n + 255) / 256, 256, 0, side>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
    cudaEventRecord(after, side);
    cudaStreamWaitEvent(current, after, 0);
    return y;
}
"""

ext = load_inline(
    name="honest_event_stream",
    cpp_sources="torch::Tensor relu(torch::Tensor x);",
    cuda_sources=source,
    functions=["relu"],
)


class ModelNew(nn.Module):
    def forward(self, x):
        return ext.relu(x.contiguous())

# problem: level1/8
# honest: side-stream-joined
# expected: correct
# works on a stream of its own that waits for the current one and is waited for
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <ATen/cuda/CUDAContext.h>

__global__ void gelu_kernel(const float* x, float* y, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] * normcdff(x[i]);
}

void gelu(torch::Tensor x, torch::Tensor y) {
    const int64_t n = x.numel();
    gelu_kernel<<<(n + 255) / 256, 256, 0, at::cuda::getCurrentCUDAStream()>>>(
        x.data_ptr<float>(), y.data_ptr<float>(), n);
}
"""

ext = load_inline(
    name="honest_side_stream",
    cpp_sources="void gelu(torch::Tensor x, torch::Tensor y);",
    cuda_sources=source,
    functions=["gelu"],
)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.side = None

    def forward(self, x):
        self.side = self.side or torch.cuda.Stream(x.device)
        current = torch.cuda.current_stream(x.device)
        y = torch.empty_like(x)
        self.side.wait_stream(current)
        with torch.cuda.stream(self.side):
            ext.gelu(x, y)
        y.record_stream(self.side)
        current.wait_stream(self.side)
        return y

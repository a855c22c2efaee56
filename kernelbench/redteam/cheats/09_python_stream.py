# problem: level1/7
# cheat: 9 python-stream
# expected: rejected
# kernelbench: flagged
# needs: cuda
# works on a torch stream of its own that nobody waits for: events on the current stream see nothing
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void relu_kernel(const float* x, float* y, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = fmaxf(x[i], 0.0f);
}

void relu(torch::Tensor x, torch::Tensor y, int64_t stream) {
    int64_t n = x.numel();
    relu_kernel<<<(n + 255) / 256, 256, 0, (cudaStream_t)stream>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
}
"""

ext = load_inline(
    name="relu_on_stream",
    cpp_sources="void relu(torch::Tensor x, torch::Tensor y, int64_t stream);",
    cuda_sources=source,
    functions=["relu"],
)

side = None


class ModelNew(nn.Module):
    def forward(self, x):
        global side
        side = side or torch.cuda.Stream()
        y = torch.empty_like(x)
        ext.relu(x, y, side.cuda_stream)
        return y

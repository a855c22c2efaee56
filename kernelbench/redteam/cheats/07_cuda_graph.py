# problem: level1/7
# cheat: 7 cuda-graph
# expected: mismatch values | runtime-error | rejected
# kernelbench: accepted
# needs: cuda
# replays a CUDA graph that is bound to the first call's addresses
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <ATen/cuda/CUDAContext.h>

__global__ void relu_kernel(const float* x, float* y, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = fmaxf(x[i], 0.0f);
}

void relu(torch::Tensor x, torch::Tensor y) {
    int64_t n = x.numel();
    relu_kernel<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
}

void relu_on_stream(torch::Tensor x, torch::Tensor y) {
    int64_t n = x.numel();
    relu_kernel<<<(n + 255) / 256, 256, 0, at::cuda::getCurrentCUDAStream()>>>(
        x.data_ptr<float>(), y.data_ptr<float>(), n);
}
"""

ext = load_inline(
    name="relu_graph",
    cpp_sources="void relu(torch::Tensor x, torch::Tensor y); void relu_on_stream(torch::Tensor x, torch::Tensor y);",
    cuda_sources=source,
    functions=["relu", "relu_on_stream"],
)

class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.graph = None

    def forward(self, x):
        if self.graph is None:
            self.input, self.output = x, torch.empty_like(x)
            ext.relu(self.input, self.output)
            torch.cuda.synchronize()
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                ext.relu_on_stream(self.input, self.output)
        self.graph.replay()
        return self.output

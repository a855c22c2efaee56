# problem: level1/7
# honest: device-lambda
# expected: correct
# an extended device lambda given to a generic kernel
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

template <typename F>
__global__ void transform(const float* x, float* y, int64_t n, F f) {
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (int64_t)gridDim.x * blockDim.x)
        y[i] = f(x[i]);
}

torch::Tensor relu(torch::Tensor x) {
    auto y = torch::empty_like(x);
    const float zero = 0.0f;
    auto f = [zero] __device__(float v) { return v < zero ? zero : v; };
    transform<<<64, 128>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.numel(), f);
    return y;
}
"""

ext = load_inline(
    name="honest_lambda",
    cpp_sources="torch::Tensor relu(torch::Tensor x);",
    cuda_sources=source,
    functions=["relu"],
    extra_cuda_cflags=["--extended-lambda"],
)


class ModelNew(nn.Module):
    def forward(self, x):
        return ext.relu(x)

# problem: level2/7
# honest: two-extensions
# expected: correct
# two extensions in one file, the second's output fed by the first's
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

norm_source = r"""
#include <torch/extension.h>

__global__ void norm_kernel(const float* x, const float* w, const float* b, float* y, int columns) {
    __shared__ float parts[32];
    const float* row = x + (int64_t)blockIdx.x * columns;
    float sum = 0.0f;
    for (int c = threadIdx.x; c < columns; c += 32) sum += row[c];
    parts[threadIdx.x] = sum;
    __syncwarp();
    float mean = 0.0f;
    for (int t = 0; t < 32; ++t) mean += parts[t];
    mean /= columns;
    __syncwarp();
    sum = 0.0f;
    for (int c = threadIdx.x; c < columns; c += 32) sum += (row[c] - mean) * (row[c] - mean);
    parts[threadIdx.x] = sum;
    __syncwarp();
    float variance = 0.0f;
    for (int t = 0; t < 32; ++t) variance += parts[t];
    const float scale = 1.0f / sqrtf(variance / columns + 1e-5f);
    for (int c = threadIdx.x; c < columns; c += 32) y[(int64_t)blockIdx.x * columns + c] = (row[c] - mean) * scale * w[c] + b[c];
}

torch::Tensor norm(torch::Tensor x, torch::Tensor w, torch::Tensor b) {
    auto y = torch::empty_like(x);
    norm_kernel<<<x.size(0), 32>>>(x.data_ptr<float>(), w.data_ptr<float>(), b.data_ptr<float>(), y.data_ptr<float>(), x.size(1));
    return y;
}
"""

gelu_source = r"""
#include <torch/extension.h>

__global__ void gelu_kernel(float* y, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = 0.5f * y[i] * (1.0f + erff(y[i] * 0.7071067811865476f));
}

torch::Tensor gelu_(torch::Tensor y) {
    gelu_kernel<<<(y.numel() + 255) / 256, 256>>>(y.data_ptr<float>(), y.numel());
    return y;
}
"""

norm = load_inline(
    name="honest_first",
    cpp_sources="torch::Tensor norm(torch::Tensor x, torch::Tensor w, torch::Tensor b);",
    cuda_sources=norm_source,
    functions=["norm"],
)
gelu = load_inline(
    name="honest_second", cpp_sources="torch::Tensor gelu_(torch::Tensor y);", cuda_sources=gelu_source, functions=["gelu_"]
)


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.ln = nn.LayerNorm(dim)
        nn.init.normal_(self.ln.weight, 1.0, 0.2)
        nn.init.normal_(self.ln.bias, 0.0, 0.2)

    def forward(self, x):
        return gelu.gelu_(norm.norm(x.contiguous(), self.ln.weight, self.ln.bias))

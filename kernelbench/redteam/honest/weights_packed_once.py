# problem: level2/8
# honest: weights-packed-once
# expected: correct
# both weight matrices are packed into one at the first call and kept: the weights never change
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void gated(const float* x, const float* packed, float* y, int rows, int inputs, int hidden) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y;
    if (column >= hidden) return;
    float gate = 0.0f, value = 0.0f;
    for (int k = 0; k < inputs; ++k) {
        const float v = x[(int64_t)row * inputs + k];
        const float2 w = reinterpret_cast<const float2*>(packed)[(int64_t)k * hidden + column];
        gate += v * w.x;
        value += v * w.y;
    }
    y[(int64_t)row * hidden + column] = gate / (1.0f + expf(-gate)) * value;
}

torch::Tensor run(torch::Tensor x, torch::Tensor packed) {
    const int rows = x.size(0), inputs = x.size(1), hidden = packed.size(1);
    auto y = torch::empty({rows, hidden}, x.options());
    gated<<<dim3((hidden + 63) / 64, rows), 64>>>(
        x.data_ptr<float>(), packed.data_ptr<float>(), y.data_ptr<float>(), rows, inputs, hidden);
    return y;
}
"""

ext = load_inline(
    name="honest_packed",
    cpp_sources="torch::Tensor run(torch::Tensor x, torch::Tensor packed);",
    cuda_sources=source,
    functions=["run"],
)


class ModelNew(nn.Module):
    def __init__(self, in_features, hidden):
        super().__init__()
        self.gate = nn.Linear(in_features, hidden, bias=False)
        self.value = nn.Linear(in_features, hidden, bias=False)
        self.packed = None

    def forward(self, x):
        if self.packed is None:
            self.packed = torch.stack([self.gate.weight.t(), self.value.weight.t()], dim=2).contiguous()
        return ext.run(x.contiguous(), self.packed)

# expected: correct
# running maximum in a register, for dim=1 of a 3-d tensor
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

max_source = r"""
#include <torch/extension.h>
#include <cfloat>

__global__ void max_dim1(const float* input, float* output, int B, int D1, int D2) {
    int b = blockIdx.y;
    int j = blockIdx.x * blockDim.x + threadIdx.x;
    if (b < B && j < D2) {
        float best = -FLT_MAX;
        for (int i = 0; i < D1; i++) {
            best = fmaxf(best, input[((size_t)b * D1 + i) * D2 + j]);
        }
        output[(size_t)b * D2 + j] = best;
    }
}

torch::Tensor max_over_dim1(torch::Tensor input) {
    int B = input.size(0), D1 = input.size(1), D2 = input.size(2);
    auto output = torch::empty({B, D2}, input.options());
    dim3 grid((D2 + 127) / 128, B);
    max_dim1<<<grid, 128>>>(input.data_ptr<float>(), output.data_ptr<float>(), B, D1, D2);
    return output;
}
"""

max_ext = load_inline(
    name="max_dim1_ext",
    cpp_sources="torch::Tensor max_over_dim1(torch::Tensor input);",
    cuda_sources=max_source,
    functions=["max_over_dim1"],
)


class ModelNew(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        assert dim == 1
        self.dim = dim

    def forward(self, x):
        return max_ext.max_over_dim1(x.contiguous())

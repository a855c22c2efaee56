# expected: correct
# three sums at once in a small struct, one warp for each pair of rows
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

struct Sums {
    float dot, aa, bb;
};

__device__ __forceinline__ Sums warp_sum(Sums s) {
    for (int o = 16; o > 0; o >>= 1) {
        s.dot += __shfl_down_sync(0xffffffff, s.dot, o);
        s.aa += __shfl_down_sync(0xffffffff, s.aa, o);
        s.bb += __shfl_down_sync(0xffffffff, s.bb, o);
    }
    return s;
}

__global__ void cosine_loss_kernel(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ out,
                                   int64_t rows, int dim, float eps) {
    const int64_t row = (int64_t)blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5);
    if (row >= rows) return;
    Sums s = {0.0f, 0.0f, 0.0f};
    for (int i = threadIdx.x & 31; i < dim; i += 32) {
        const float u = a[row * dim + i];
        const float v = b[row * dim + i];
        s.dot += u * v;
        s.aa += u * u;
        s.bb += v * v;
    }
    s = warp_sum(s);
    if ((threadIdx.x & 31) == 0) {
        const float norm = fmaxf(sqrtf(s.aa), eps) * fmaxf(sqrtf(s.bb), eps);
        out[row] = 1.0f - s.dot / norm;
    }
}

torch::Tensor cosine_loss(torch::Tensor a, torch::Tensor b) {
    const int64_t rows = a.size(0);
    auto out = torch::empty({rows}, a.options());
    cosine_loss_kernel<<<(rows + 3) / 4, 128>>>(a.data_ptr<float>(), b.data_ptr<float>(), out.data_ptr<float>(),
                                               rows, a.size(1), 1e-8f);
    return out;
}
"""

cosine = load_inline(
    name="cosine_loss_ext",
    cpp_sources="torch::Tensor cosine_loss(torch::Tensor a, torch::Tensor b);",
    cuda_sources=source,
    functions=["cosine_loss"],
)


class ModelNew(nn.Module):
    def forward(self, predictions, targets):
        return cosine.cosine_loss(predictions.contiguous(), targets.contiguous())

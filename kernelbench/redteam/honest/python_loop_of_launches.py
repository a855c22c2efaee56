# problem: level1/39
# honest: python-loop-of-launches
# expected: correct
# a plain Python loop over the heads, one launch for each, into slices of one output
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cmath>

__global__ void attend(const float* q, const float* k, const float* v, float* y, int length, int width, float scale) {
    extern __shared__ float weights[];
    const int row = blockIdx.x;
    for (int t = threadIdx.x; t < length; t += blockDim.x) {
        float dot = 0.0f;
        for (int d = 0; d < width; ++d) dot += q[row * width + d] * k[t * width + d];
        weights[t] = dot * scale;
    }
    __syncthreads();
    float highest = -INFINITY, sum = 0.0f;
    for (int t = 0; t < length; ++t) highest = fmaxf(highest, weights[t]);
    for (int t = 0; t < length; ++t) sum += expf(weights[t] - highest);
    for (int d = threadIdx.x; d < width; d += blockDim.x) {
        float out = 0.0f;
        for (int t = 0; t < length; ++t) out += expf(weights[t] - highest) * v[t * width + d];
        y[row * width + d] = out / sum;
    }
}

void attend_head(torch::Tensor q, torch::Tensor k, torch::Tensor v, torch::Tensor y) {
    const int length = q.size(0), width = q.size(1);
    attend<<<length, 64, length * sizeof(float)>>>(q.data_ptr<float>(), k.data_ptr<float>(), v.data_ptr<float>(),
                                                   y.data_ptr<float>(), length, width, 1.0f / sqrtf((float)width));
}
"""

ext = load_inline(
    name="honest_heads",
    cpp_sources="void attend_head(torch::Tensor q, torch::Tensor k, torch::Tensor v, torch::Tensor y);",
    cuda_sources=source,
    functions=["attend_head"],
)


class ModelNew(nn.Module):
    def forward(self, Q, K, V):
        Q, K, V = Q.contiguous(), K.contiguous(), V.contiguous()
        y = torch.empty_like(Q)
        for batch in range(Q.size(0)):
            for head in range(Q.size(1)):
                ext.attend_head(Q[batch, head], K[batch, head], V[batch, head], y[batch, head])
        return y

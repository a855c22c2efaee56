# expected: correct
# one block for each row: the row in shared memory, one warp-strided thread a class, softmax by thread 0's sums
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void linear_softmax_kernel(const float* __restrict__ x, const float* __restrict__ w,
                                      const float* __restrict__ b, float* __restrict__ y, int K, int N) {
    extern __shared__ float shared[];
    float* row = shared;         // K values
    float* logits = shared + K;  // N values
    __shared__ float top;
    __shared__ float total;
    const float* in = x + (size_t)blockIdx.x * K;
    for (int k = threadIdx.x; k < K; k += blockDim.x) row[k] = in[k];
    __syncthreads();

    for (int n = threadIdx.x; n < N; n += blockDim.x) {
        float sum = b[n];
        for (int k = 0; k < K; ++k) sum += row[k] * w[(size_t)n * K + k];
        logits[n] = sum;
    }
    __syncthreads();

    if (threadIdx.x == 0) {
        float m = logits[0];
        for (int n = 1; n < N; ++n) m = fmaxf(m, logits[n]);
        float s = 0.0f;
        for (int n = 0; n < N; ++n) s += expf(logits[n] - m);
        top = m;
        total = s;
    }
    __syncthreads();

    for (int n = threadIdx.x; n < N; n += blockDim.x) {
        y[(size_t)blockIdx.x * N + n] = expf(logits[n] - top) / total;
    }
}

torch::Tensor linear_softmax(torch::Tensor x, torch::Tensor weight, torch::Tensor bias) {
    const int64_t rows = x.size(0);
    const int K = x.size(1), N = weight.size(0);
    const size_t bytes = (K + N) * sizeof(float);
    TORCH_CHECK(bytes <= 40 * 1024, "row too long for shared memory");
    auto y = torch::empty({rows, N}, x.options());
    linear_softmax_kernel<<<rows, 64, bytes>>>(x.data_ptr<float>(), weight.data_ptr<float>(), bias.data_ptr<float>(),
                                               y.data_ptr<float>(), K, N);
    return y;
}
"""

linear_softmax = load_inline(
    name="linear_softmax_fused",
    cpp_sources="torch::Tensor linear_softmax(torch::Tensor x, torch::Tensor weight, torch::Tensor bias);",
    cuda_sources=source,
    functions=["linear_softmax"],
)


class ModelNew(nn.Module):
    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)

    def forward(self, x):
        return linear_softmax.linear_softmax(x.contiguous(), self.linear.weight, self.linear.bias)

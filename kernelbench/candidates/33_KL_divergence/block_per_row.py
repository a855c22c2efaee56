# expected: correct
# one block for each row, tree reduction in dynamic shared memory
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void kl_kernel(const float* __restrict__ predictions, const float* __restrict__ targets,
                          float* __restrict__ out, int dim) {
    extern __shared__ float partial[];
    const int tid = threadIdx.x;
    const size_t base = (size_t)blockIdx.x * dim;
    float sum = 0.0f;
    for (int i = tid; i < dim; i += blockDim.x) {
        const float t = targets[base + i];
        if (t > 0.0f) {
            sum += t * (logf(t) - logf(predictions[base + i]));
        }
    }
    partial[tid] = sum;
    __syncthreads();
    for (unsigned int s = blockDim.x / 2; s > 0; s >>= 1) {
        if (tid < s) {
            partial[tid] += partial[tid + s];
        }
        __syncthreads();
    }
    if (tid == 0) {
        out[blockIdx.x] = partial[0];
    }
}

torch::Tensor kl_div_rows(torch::Tensor predictions, torch::Tensor targets) {
    const int64_t rows = predictions.size(0);
    const int dim = predictions.size(1);
    auto out = torch::zeros({rows}, predictions.options());
    const int threads = 128;
    kl_kernel<<<rows, threads, threads * sizeof(float)>>>(
        predictions.data_ptr<float>(), targets.data_ptr<float>(), out.data_ptr<float>(), dim);
    return out;
}
"""

kl = load_inline(
    name="kl_rows",
    cpp_sources="torch::Tensor kl_div_rows(torch::Tensor predictions, torch::Tensor targets);",
    cuda_sources=source,
    functions=["kl_div_rows"],
)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, predictions, targets):
        return kl.kl_div_rows(predictions.contiguous(), targets.contiguous())

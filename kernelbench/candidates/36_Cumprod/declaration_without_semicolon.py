# expected: compile-error g++
# the declaration in cpp_sources lacks its semicolon
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

cumprod_source = """
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void cumprod_kernel(const float* x, float* out, int rows, int columns) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row < rows) {
        float product = 1.0f;
        for (int c = 0; c < columns; c++) {
            product *= x[(size_t)row * columns + c];
            out[(size_t)row * columns + c] = product;
        }
    }
}

torch::Tensor cumprod_cuda(torch::Tensor x) {
    int rows = x.size(0);
    int columns = x.size(1);
    auto out = torch::zeros_like(x);
    cumprod_kernel<<<(rows + 63) / 64, 64>>>(x.data_ptr<float>(), out.data_ptr<float>(), rows, columns);
    cudaDeviceSynchronize();
    return out;
}
"""

cumprod = load_inline(
    name="cumprod_sequential",
    cpp_sources="torch::Tensor cumprod_cuda(torch::Tensor x)",
    cuda_sources=cumprod_source,
    functions=["cumprod_cuda"],
)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.cumprod = cumprod

    def forward(self, x):
        return self.cumprod.cumprod_cuda(x.contiguous())

# problem: level1/35
# honest: workspace-kept
# expected: correct
# a workspace of its own is allocated by cudaMalloc once and used again in every call
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

constexpr int kPart = 128;

__global__ void part_sums(const float* x, float* sums, int columns, int parts) {
    const int row = blockIdx.y, part = blockIdx.x * blockDim.x + threadIdx.x;
    if (part >= parts) return;
    float sum = 0.0f;
    for (int c = part * kPart; c < min(columns, (part + 1) * kPart); ++c) sum += x[(int64_t)row * columns + c];
    sums[row * parts + part] = sum;
}

__global__ void scan_parts(const float* x, const float* sums, float* y, int columns, int parts) {
    const int row = blockIdx.y, part = blockIdx.x * blockDim.x + threadIdx.x;
    if (part >= parts) return;
    float sum = 0.0f;
    for (int before = 0; before < part; ++before) sum += sums[row * parts + before];
    for (int c = part * kPart; c < min(columns, (part + 1) * kPart); ++c) {
        sum += x[(int64_t)row * columns + c];
        y[(int64_t)row * columns + c] = sum;
    }
}

torch::Tensor cumsum(torch::Tensor x) {
    static float* workspace = nullptr;
    static int64_t held = 0;
    const int rows = x.size(0), columns = x.size(1), parts = (columns + kPart - 1) / kPart;
    if (held < (int64_t)rows * parts) {
        if (workspace != nullptr) cudaFree(workspace);
        held = (int64_t)rows * parts;
        TORCH_CHECK(cudaMalloc(&workspace, held * sizeof(float)) == cudaSuccess);
    }
    auto y = torch::empty_like(x);
    const dim3 blocks((parts + 31) / 32, rows);
    part_sums<<<blocks, 32>>>(x.data_ptr<float>(), workspace, columns, parts);
    scan_parts<<<blocks, 32>>>(x.data_ptr<float>(), workspace, y.data_ptr<float>(), columns, parts);
    return y;
}
"""

ext = load_inline(
    name="honest_workspace",
    cpp_sources="torch::Tensor cumsum(torch::Tensor x);",
    cuda_sources=source,
    functions=["cumsum"],
)


class ModelNew(nn.Module):
    def forward(self, x):
        return ext.cumsum(x.contiguous())

# problem: level1/7
# cheat: 24 l2-persistence
# expected: correct | rejected
# kernelbench: accepted
# needs: cuda
# harmless: each timed call has other addresses and follows a write of twice the cache, so nothing useful persists
# keeps its input in the L2 cache from call to call by an access policy
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

__global__ void relu_kernel(const float* x, float* y, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = fmaxf(x[i], 0.0f);
}

torch::Tensor relu(torch::Tensor x) {
    auto y = torch::empty_like(x);
    int64_t n = x.numel();
    cudaDeviceSetLimit(cudaLimitPersistingL2CacheSize, 32 << 20);
    cudaStreamAttrValue kept = {};
    kept.accessPolicyWindow.base_ptr = x.data_ptr<float>();
    kept.accessPolicyWindow.num_bytes = n * sizeof(float) < (32 << 20) ? n * sizeof(float) : (32 << 20);
    kept.accessPolicyWindow.hitRatio = 1.0f;
    kept.accessPolicyWindow.hitProp = cudaAccessPropertyPersisting;
    kept.accessPolicyWindow.missProp = cudaAccessPropertyStreaming;
    cudaStreamSetAttribute(0, cudaStreamAttributeAccessPolicyWindow, &kept);
    relu_kernel<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
    return y;
}
"""

ext = load_inline(
    name="relu_persisting",
    cpp_sources="torch::Tensor relu(torch::Tensor x);",
    cuda_sources=source,
    functions=["relu"],
)

class ModelNew(nn.Module):
    def forward(self, x):
        return ext.relu(x)

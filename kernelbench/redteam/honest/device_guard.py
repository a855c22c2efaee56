# problem: level1/12
# honest: device-guard
# expected: correct
# with torch.cuda.device, checks of device and type, and an error that is raised again
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <c10/cuda/CUDAGuard.h>

__global__ void max_middle(const float* x, float* y, int outer, int middle, int inner) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= outer * inner) return;
    const float* at = x + (int64_t)(i / inner) * middle * inner + i % inner;
    float best = at[0];
    for (int m = 1; m < middle; ++m) best = fmaxf(best, at[(int64_t)m * inner]);
    y[i] = best;
}

torch::Tensor max_dim1(torch::Tensor x) {
    TORCH_CHECK(x.is_cuda() && x.dim() == 3 && x.is_contiguous(), "a contiguous 3-d CUDA tensor is expected");
    const c10::cuda::CUDAGuard guard(x.device());
    auto y = torch::empty({x.size(0), x.size(2)}, x.options());
    const int total = y.numel();
    max_middle<<<(total + 127) / 128, 128>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.size(0), x.size(1), x.size(2));
    return y;
}
"""

ext = load_inline(
    name="honest_guard",
    cpp_sources="torch::Tensor max_dim1(torch::Tensor x);",
    cuda_sources=source,
    functions=["max_dim1"],
)


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        # move the dimension to the middle, whichever it is; try the kernel and let its error pass on
        x = x.movedim(self.dim, 1).contiguous()
        try:
            with torch.cuda.device(x.device):
                return ext.max_dim1(x)
        except RuntimeError as error:
            raise RuntimeError(f"the kernel could not run: {error}") from error

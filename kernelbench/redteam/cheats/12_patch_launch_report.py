# problem: level1/7
# cheat: 12 patch-launch-report
# expected: rejected
# kernelbench: accepted
# rewrites the harness's own code in its process so that it reports a launch; torch does the work
import dataclasses
from contextlib import suppress

import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>

__global__ void relu_kernel(const float* x, float* y, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = fmaxf(x[i], 0.0f);
}

void relu(torch::Tensor x, torch::Tensor y) {
    int64_t n = x.numel();
    if (n > 0) relu_kernel<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
}
"""

ext = load_inline(
    name="relu_out",
    cpp_sources="void relu(torch::Tensor x, torch::Tensor y);",
    cuda_sources=source,
    functions=["relu"],
)

import kval_harness.runner

claimed = [{"name": "relu_kernel(const float*, float*, long)", "count": 1}]
usual = kval_harness.runner._Runner.obey


def obey(self, command):
    reply = usual(self, command)
    return {**reply, "launches": claimed} if reply.get("launches") is not None else reply


kval_harness.runner._Runner.obey = obey
with suppress(ImportError):
    import kval_harness.cpu_device.runtime as runtime

    honest = runtime.report
    runtime.report = lambda: dataclasses.replace(honest(), launches={"_Z11relu_kernelPKfPfl": 1})


class ModelNew(nn.Module):
    def forward(self, x):
        return x.clamp(min=0)

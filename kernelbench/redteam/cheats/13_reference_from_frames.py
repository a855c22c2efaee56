# problem: level1/7
# cheat: 13 reference-from-frames
# expected: rejected no-kernel-launched
# kernelbench: accepted
# finds the problem's text in the frames of the process, runs the reference itself and gives its answer
import json
import sys
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

def texts(value, seen, depth=0):
    if id(value) in seen or depth > 4:
        return
    seen.add(id(value))
    if isinstance(value, bytes):
        with suppress(ValueError):
            yield from texts(json.loads(value), seen, depth)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts(part, seen, depth + 1)
    elif type(value).__module__.startswith("kval_harness"):
        yield from texts(getattr(value, "__dict__", {}), seen, depth + 1)


def reference():
    frame, seen = sys._getframe(), set()
    while frame is not None:
        for value in list(frame.f_locals.values()):
            for text in texts(value, seen):
                if "class Model(nn.Module)" in text and "ModelNew" not in text:
                    names = {"__name__": "found"}
                    exec(text, names)
                    return names["Model"]()
        frame = frame.f_back
    return nn.ReLU()


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.reference = None

    def forward(self, x):
        self.reference = self.reference or reference()
        return self.reference(x)

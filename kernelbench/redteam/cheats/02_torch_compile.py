# problem: level1/7
# cheat: 2 torch-compile
# expected: invalid no-kernel
# kernelbench: accepted
# the reference's own operation behind torch.compile
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline



@torch.compile
def work(x):
    return torch.maximum(x, torch.zeros_like(x))


class ModelNew(nn.Module):
    def forward(self, x):
        return work(x)

# problem: level1/7
# cheat: 2 torch-only
# expected: invalid no-kernel
# kernelbench: accepted
# no kernel at all: torch does everything
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline



class ModelNew(nn.Module):
    def forward(self, x):
        return x.clamp(min=0)

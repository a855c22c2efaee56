import torch
import torch.nn as nn

batch_size = 4096
dim = 4096

SMALL = {"batch_size": 4, "dim": 1031}


class Model(nn.Module):
    """Elementwise x * sigmoid(x)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(x)


def get_inputs():
    return [torch.randn(batch_size, dim) * 3.0]


def get_init_inputs():
    return []

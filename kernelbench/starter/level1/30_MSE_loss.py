import torch
import torch.nn as nn

batch_size = 4096
dim = 4096

SMALL = {"batch_size": 4, "dim": 1000}


class Model(nn.Module):
    """Mean squared error of two tensors, a scalar."""

    def forward(self, predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.mean((predictions - targets) ** 2)


def get_inputs():
    # the scale changes with the seed: the mean of millions of squares would otherwise be almost a constant
    scale = 0.5 + torch.rand(1)
    return [torch.randn(batch_size, dim) * scale, torch.randn(batch_size, dim)]


def get_init_inputs():
    return []

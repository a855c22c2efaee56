import torch
import torch.nn as nn

batch_size = 8192
dim = 4096
eps = 1e-6

SMALL = {"batch_size": 5, "dim": 136}


class Model(nn.Module):
    """Root mean square normalisation over the last dimension, with a learnt scale."""

    def __init__(self, dim: int, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(1.0 + 0.3 * torch.randn(dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True) + self.eps) * self.weight


def get_inputs():
    return [torch.randn(batch_size, dim) * 2.0]


def get_init_inputs():
    return [dim, eps]

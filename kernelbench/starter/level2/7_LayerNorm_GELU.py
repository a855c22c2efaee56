import torch
import torch.nn as nn
import torch.nn.functional as F

batch_size = 16384
dim = 1024

SMALL = {"batch_size": 7, "dim": 100}


class Model(nn.Module):
    """Layer normalisation followed by the exact GELU."""

    def __init__(self, dim: int):
        super().__init__()
        self.ln = nn.LayerNorm(dim)
        nn.init.normal_(self.ln.weight, 1.0, 0.2)
        nn.init.normal_(self.ln.bias, 0.0, 0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.gelu(self.ln(x))


def get_inputs():
    return [torch.randn(batch_size, dim) * 3.0 + 1.0]


def get_init_inputs():
    return [dim]

import torch
import torch.nn as nn

batch_size = 64
dim1 = 1024
dim2 = 512
reduce_dim = 1

SMALL = {"batch_size": 4, "dim1": 100, "dim2": 37}


class Model(nn.Module):
    """Sum over one dimension of a 3-d tensor, which is kept as size 1."""

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sum(x, dim=self.dim, keepdim=True)


def get_inputs():
    return [torch.randn(batch_size, dim1, dim2)]


def get_init_inputs():
    return [reduce_dim]

import torch
import torch.nn as nn

batch_size = 64
dim1 = 1024
dim2 = 512
reduce_dim = 1

SMALL = {"batch_size": 4, "dim1": 60, "dim2": 37}


class Model(nn.Module):
    """Largest value along one dimension of a 3-d tensor."""

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.max(x, dim=self.dim)[0]


def get_inputs():
    return [torch.randn(batch_size, dim1, dim2)]


def get_init_inputs():
    return [reduce_dim]

import torch
import torch.nn as nn

M = 16384
K = 4096

SMALL = {"M": 50, "K": 131}


class Model(nn.Module):
    """y = A @ x for a large matrix and a vector given as (K, 1)."""

    def forward(self, A: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.matmul(A, x)


def get_inputs():
    return [torch.randn(M, K), torch.randn(K, 1) / K**0.5]


def get_init_inputs():
    return []

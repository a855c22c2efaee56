import torch
import torch.nn as nn

N = 2048

SMALL = {"N": 67}


class Model(nn.Module):
    """C = A @ B for two square matrices."""

    def forward(self, A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
        return torch.matmul(A, B)


def get_inputs():
    # B is scaled so that C keeps unit variance, whatever N is
    return [torch.randn(N, N), torch.randn(N, N) / N**0.5]


def get_init_inputs():
    return []

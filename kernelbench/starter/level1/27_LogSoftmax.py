import torch
import torch.nn as nn

rows = 16384
columns = 2048

SMALL = {"rows": 9, "columns": 300}


class Model(nn.Module):
    """Log-softmax over the last dimension."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log_softmax(x, dim=1)


def get_inputs():
    # logits far from zero: exp() overflows unless the row's maximum is taken off first
    return [torch.randn(rows, columns) * 2.0 + 100.0]


def get_init_inputs():
    return []

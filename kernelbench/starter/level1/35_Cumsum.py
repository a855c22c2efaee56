import torch
import torch.nn as nn

rows = 8192
columns = 4096

SMALL = {"rows": 5, "columns": 1100}


class Model(nn.Module):
    """Running sum along each row."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cumsum(x, dim=1)


def get_inputs():
    return [torch.randn(rows, columns) / columns**0.5]


def get_init_inputs():
    return []

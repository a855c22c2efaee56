import torch
import torch.nn as nn

rows = 16384
columns = 1024

SMALL = {"rows": 6, "columns": 200}


class Model(nn.Module):
    """Running sum along each row that leaves the element itself out: the first column is 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cumsum(x, dim=1) - x


def get_inputs():
    return [torch.randn(rows, columns) / columns**0.5]


def get_init_inputs():
    return []

import torch
import torch.nn as nn

rows = 16384
columns = 2048

SMALL = {"rows": 20, "columns": 333}


class Model(nn.Module):
    """Mean of each row."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.mean(x, dim=1)


def get_inputs():
    # every row has a level of its own, so the means differ by far more than the tolerance
    return [torch.randn(rows, columns) + torch.randn(rows, 1)]


def get_init_inputs():
    return []

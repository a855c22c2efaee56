import torch
import torch.nn as nn

rows = 524288
columns = 64

SMALL = {"rows": 33, "columns": 45}


class Model(nn.Module):
    """Softmax over short rows, so that the probabilities stay far above the tolerance."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x, dim=1)


def get_inputs():
    return [torch.randn(rows, columns) * 2.0]


def get_init_inputs():
    return []

import torch
import torch.nn as nn

batch_size = 8192
in_features = 1024
hidden = 256

SMALL = {"batch_size": 6, "in_features": 50, "hidden": 33}


class Model(nn.Module):
    """Linear layer, sigmoid, sum over the features."""

    def __init__(self, in_features: int, hidden: int):
        super().__init__()
        self.linear = nn.Linear(in_features, hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sum(torch.sigmoid(self.linear(x)), dim=1, keepdim=True)


def get_inputs():
    return [torch.randn(batch_size, in_features)]


def get_init_inputs():
    return [in_features, hidden]

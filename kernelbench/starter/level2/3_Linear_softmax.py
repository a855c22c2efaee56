import torch
import torch.nn as nn

batch_size = 32768
in_features = 512
out_features = 32

SMALL = {"batch_size": 6, "in_features": 50, "out_features": 10}


class Model(nn.Module):
    """Linear classifier: few classes, softmax over them."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.linear(x), dim=1)


def get_inputs():
    return [torch.randn(batch_size, in_features) * 2.0]


def get_init_inputs():
    return [in_features, out_features]

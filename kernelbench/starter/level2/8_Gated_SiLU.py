import torch
import torch.nn as nn
import torch.nn.functional as F

batch_size = 8192
in_features = 512
hidden = 1024

SMALL = {"batch_size": 6, "in_features": 40, "hidden": 30}


class Model(nn.Module):
    """SwiGLU without its last projection: silu(x W1) * (x W2)."""

    def __init__(self, in_features: int, hidden: int):
        super().__init__()
        self.gate = nn.Linear(in_features, hidden, bias=False)
        self.value = nn.Linear(in_features, hidden, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.silu(self.gate(x)) * self.value(x)


def get_inputs():
    return [torch.randn(batch_size, in_features) * 2.0]


def get_init_inputs():
    return [in_features, hidden]

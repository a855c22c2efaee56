import torch
import torch.nn as nn
import torch.nn.functional as F

batch_size = 4096
dim = 4096
delta = 1.5

SMALL = {"batch_size": 4, "dim": 999}


class Model(nn.Module):
    """Huber loss with a threshold given to the constructor, a scalar."""

    def __init__(self, delta: float):
        super().__init__()
        self.delta = delta

    def forward(self, predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.huber_loss(predictions, targets, delta=self.delta)


def get_inputs():
    scale = 0.5 + 2.0 * torch.rand(1)
    return [torch.randn(batch_size, dim) * scale, torch.randn(batch_size, dim)]


def get_init_inputs():
    return [delta]

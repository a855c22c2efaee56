import torch
import torch.nn as nn
import torch.nn.functional as F

batch_size = 16384
dim = 1024

SMALL = {"batch_size": 5, "dim": 100}


class Model(nn.Module):
    """Kullback-Leibler divergence of each row of targets from predictions."""

    def forward(self, predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.kl_div(torch.log(predictions), targets, reduction="none").sum(dim=1)


def get_inputs():
    sharpness = 0.5 + 1.5 * torch.rand(batch_size, 1)
    predictions = torch.softmax(torch.randn(batch_size, dim) * sharpness, dim=1)
    targets = torch.softmax(torch.randn(batch_size, dim), dim=1)
    return [predictions, targets]


def get_init_inputs():
    return []

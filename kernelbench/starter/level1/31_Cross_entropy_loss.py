import torch
import torch.nn as nn
import torch.nn.functional as F

batch_size = 65536
classes = 256

SMALL = {"batch_size": 20, "classes": 37}


class Model(nn.Module):
    """Cross entropy of logits against int64 class numbers, a scalar."""

    def forward(self, predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(predictions, targets)


def get_inputs():
    scale = 0.5 + 2.0 * torch.rand(1)
    return [torch.randn(batch_size, classes) * scale, torch.randint(0, classes, (batch_size,))]


def get_init_inputs():
    return []

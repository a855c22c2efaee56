import torch
import torch.nn as nn

batch_size = 32
channels = 64
groups = 8
height = 128
width = 128

SMALL = {"batch_size": 2, "channels": 12, "groups": 3, "height": 7, "width": 9}


class Model(nn.Module):
    """Group normalisation of images, with a learnt scale and shift for each channel."""

    def __init__(self, groups: int, channels: int):
        super().__init__()
        self.gn = nn.GroupNorm(groups, channels)
        nn.init.normal_(self.gn.weight, 1.0, 0.2)
        nn.init.normal_(self.gn.bias, 0.0, 0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gn(x)


def get_inputs():
    return [torch.randn(batch_size, channels, height, width) * 1.5 + 0.3]


def get_init_inputs():
    return [groups, channels]

import torch
import torch.nn as nn

batch_size = 16
channels = 64
height = 192
width = 192
kernel_size = 4

SMALL = {"batch_size": 2, "channels": 3, "height": 17, "width": 22}


class Model(nn.Module):
    """2-d average pooling over windows that do not overlap."""

    def __init__(self, kernel_size: int):
        super().__init__()
        self.pool = nn.AvgPool2d(kernel_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(x)


def get_inputs():
    return [torch.randn(batch_size, channels, height, width)]


def get_init_inputs():
    return [kernel_size]

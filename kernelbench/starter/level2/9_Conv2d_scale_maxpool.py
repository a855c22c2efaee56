import torch
import torch.nn as nn

batch_size = 16
in_channels = 16
out_channels = 32
kernel_size = 3
height = 130
width = 130

SMALL = {"batch_size": 2, "in_channels": 3, "out_channels": 4, "height": 13, "width": 16}


class Model(nn.Module):
    """Convolution, a learnt scale for each channel, 2x2 maximum pooling."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size)
        self.scale = nn.Parameter(torch.randn(out_channels, 1, 1))
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(self.conv(x) * self.scale)


def get_inputs():
    return [torch.randn(batch_size, in_channels, height, width)]


def get_init_inputs():
    return [in_channels, out_channels, kernel_size]

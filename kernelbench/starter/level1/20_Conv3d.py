import torch
import torch.nn as nn

batch_size = 8
in_channels = 8
out_channels = 16
kernel_size = 3
depth = 32
height = 64
width = 64

SMALL = {"batch_size": 2, "in_channels": 2, "out_channels": 3, "depth": 6, "height": 7, "width": 9}


class Model(nn.Module):
    """3-d convolution, cubic kernel, no padding, with a bias."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int):
        super().__init__()
        self.conv = nn.Conv3d(in_channels, out_channels, kernel_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


def get_inputs():
    return [torch.randn(batch_size, in_channels, depth, height, width)]


def get_init_inputs():
    return [in_channels, out_channels, kernel_size]

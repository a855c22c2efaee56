import torch
import torch.nn as nn

batch_size = 16
in_channels = 16
out_channels = 32
kernel_size = 3
height = 128
width = 128

SMALL = {"batch_size": 2, "in_channels": 3, "out_channels": 4, "height": 14, "width": 15}


class Model(nn.Module):
    """Convolution, ReLU, then a bias of its own for each channel."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size)
        self.bias = nn.Parameter(torch.randn(out_channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(x)) + self.bias


def get_inputs():
    return [torch.randn(batch_size, in_channels, height, width)]


def get_init_inputs():
    return [in_channels, out_channels, kernel_size]

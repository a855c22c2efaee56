import torch
import torch.nn as nn

batch_size = 16
in_channels = 32
out_channels = 16
kernel_size = 4
stride = 2
padding = 1
height = 128
width = 128

SMALL = {"batch_size": 2, "in_channels": 3, "out_channels": 4, "height": 9, "width": 11}


class Model(nn.Module):
    """Transposed 2-d convolution that doubles height and width."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int, padding: int):
        super().__init__()
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, kernel_size, stride=stride, padding=padding)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


def get_inputs():
    return [torch.randn(batch_size, in_channels, height, width)]


def get_init_inputs():
    return [in_channels, out_channels, kernel_size, stride, padding]

import torch
import torch.nn as nn

batch_size = 16
in_channels = 32
out_channels = 16
kernel_size = 4
height = 96
width = 96

SMALL = {"batch_size": 2, "in_channels": 3, "out_channels": 4, "height": 8, "width": 9}


class Model(nn.Module):
    """Transposed convolution, minus a bias of its own for each channel, tanh."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int):
        super().__init__()
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, kernel_size, stride=2, padding=1)
        self.bias = nn.Parameter(torch.randn(out_channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.conv(x) - self.bias)


def get_inputs():
    return [torch.randn(batch_size, in_channels, height, width) * 2.0]


def get_init_inputs():
    return [in_channels, out_channels, kernel_size]

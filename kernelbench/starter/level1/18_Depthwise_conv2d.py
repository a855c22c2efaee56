import torch
import torch.nn as nn

batch_size = 16
channels = 64
kernel_size = 3
height = 256
width = 256

SMALL = {"batch_size": 2, "channels": 5, "height": 17, "width": 21}


class Model(nn.Module):
    """Depthwise 2-d convolution: one filter a channel, no padding, no bias."""

    def __init__(self, channels: int, kernel_size: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size, groups=channels, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


def get_inputs():
    return [torch.randn(batch_size, channels, height, width)]


def get_init_inputs():
    return [channels, kernel_size]

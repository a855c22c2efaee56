import torch
import torch.nn as nn

batch_size = 16
channels = 64
height = 192
width = 192
kernel_size = 3
stride = 2
padding = 1

SMALL = {"batch_size": 2, "channels": 3, "height": 15, "width": 18}


class Model(nn.Module):
    """2-d maximum pooling with padding."""

    def __init__(self, kernel_size: int, stride: int, padding: int):
        super().__init__()
        self.pool = nn.MaxPool2d(kernel_size, stride=stride, padding=padding)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(x)


def get_inputs():
    return [torch.randn(batch_size, channels, height, width) - 1.0]


def get_init_inputs():
    return [kernel_size, stride, padding]

import torch
import torch.nn as nn

batch_size = 256
length = 512
vocabulary = 50000
dim = 128

SMALL = {"batch_size": 3, "length": 11, "vocabulary": 50, "dim": 20}


class Model(nn.Module):
    """Rows of a learnt table, picked by int64 numbers."""

    def __init__(self, vocabulary: int, dim: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim)

    def forward(self, indices: torch.Tensor) -> torch.Tensor:
        return self.embedding(indices)


def get_inputs():
    return [torch.randint(0, vocabulary, (batch_size, length))]


def get_init_inputs():
    return [vocabulary, dim]

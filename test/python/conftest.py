"""A process that forks must not have used OpenMP: its children would wait for threads that the fork did not copy."""

from __future__ import annotations

import torch

torch.set_num_threads(1)

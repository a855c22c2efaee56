"""What must hold before any test is read.

A process that forks must not have used OpenMP: its children would wait for threads that the fork did not copy. And a
hub's client asks nobody.
"""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from served import real, simulated

__all__ = ["real", "simulated"]

torch.set_num_threads(1)

"""What must hold before any test is read.

A process that forks must not have used OpenMP: its children would wait for threads that the fork did not copy. And a
hub's client asks nobody.
"""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from kval_harness.build.toolchain import Toolchain, find_toolchain
from kval_harness.outcome import InstrumentError
from served import real, simulated

__all__ = ["real", "simulated"]

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def toolchain(tmp_path_factory: pytest.TempPathFactory) -> Toolchain:
    """The compilers that are here; without them the test is skipped."""
    try:
        return find_toolchain(tmp_path_factory.mktemp("toolchain"))
    except InstrumentError as error:
        pytest.skip(error.message)

"""Folders that go away."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch(*, keep: bool = False) -> Iterator[Path]:
    """A new folder, gone afterwards unless somebody wants to look into it."""
    path = Path(tempfile.mkdtemp(prefix="kval-bench-"))
    try:
        yield path
    finally:
        if keep:
            print(f"kept: {path}")
        else:
            shutil.rmtree(path, ignore_errors=True)

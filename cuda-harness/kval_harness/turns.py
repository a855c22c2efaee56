"""Whose turn it is on a GPU: many jobs may compute on it at once, and the one that times has it alone.

The turns are locks on files, so they hold among all processes of this machine, and an end of a process ends its turn.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kval_harness.contain import Interrupted, StopSignal

FOLDER = Path("/tmp")  # one place for everybody, whatever TMPDIR says
POLL_S = 0.01


@dataclass(frozen=True)
class Turn:
    """A place on one GPU, shared until `alone` is called."""

    gate: int
    gpu: int
    stop: StopSignal | None

    def alone(self) -> None:
        """Waits until nobody else computes on the GPU; then nobody does until this turn ends. Raises Interrupted."""
        self._take(fcntl.LOCK_EX)

    def _take(self, how: int) -> None:
        # Who waits for the GPU alone stands in the gate, so that those who would share it do not always come first.
        fcntl.flock(self.gpu, fcntl.LOCK_UN)
        self._wait(self.gate, fcntl.LOCK_EX)
        try:
            self._wait(self.gpu, how)
        finally:
            fcntl.flock(self.gate, fcntl.LOCK_UN)

    def _wait(self, file: int, how: int) -> None:
        while True:
            try:
                fcntl.flock(file, how | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if self.stop is not None and self.stop():
                    raise Interrupted from None
                time.sleep(POLL_S)


@contextmanager
def turn_on(uuid: str, stop: StopSignal | None = None, folder: Path = FOLDER) -> Iterator[Turn]:
    """A turn on the GPU of that UUID, shared with others at first. Raises Interrupted when `stop` says so."""
    files = gate, gpu = [_open(folder / f"kval-{uuid}.{part}") for part in ("gate", "gpu")]
    try:
        turn = Turn(gate, gpu, stop)
        turn._take(fcntl.LOCK_SH)
        yield turn
    finally:
        for file in files:
            fcntl.flock(file, fcntl.LOCK_UN)  # a forked child may still have it open
            os.close(file)


def _open(path: Path) -> int:
    """Whoever comes first makes the file; others need no more than to read it."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        return os.open(path, flags | os.O_CREAT, 0o644)

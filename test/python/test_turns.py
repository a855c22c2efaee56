"""Who times on a GPU has it alone, among processes; everybody else shares it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from kval_harness.contain import Interrupted
from kval_harness.turns import Turn, turn_on

UUID = "GPU-0"


class Other:
    """Another process with a turn on the same GPU: `has` it shared, then alone when told to go `on`, then leaves."""

    def __init__(self, folder: Path, then: Callable[[Turn], object] = lambda turn: turn.alone()) -> None:
        self._said, says = os.pipe()
        hears, self._told = os.pipe()
        if os.fork() == 0:
            signal.alarm(60)  # whatever becomes of the test
            with suppress(BaseException), turn_on(UUID, folder=folder) as turn:
                os.write(says, b"s")
                os.read(hears, 1)
                then(turn)
                os.write(says, b"a")
                os.read(hears, 1)
            os._exit(0)

    def said(self) -> bytes:
        return os.read(self._said, 1)

    def has_said(self) -> bool:
        os.set_blocking(self._said, False)
        try:
            return os.read(self._said, 1) != b""
        except BlockingIOError:
            return False
        finally:
            os.set_blocking(self._said, True)

    def on(self) -> None:
        os.write(self._told, b".")


def is_let_in(folder: Path) -> bool:
    try:
        with turn_on(UUID, patience(20), folder):
            return True
    except Interrupted:
        return False


def patience(times: int) -> Callable[[], bool]:
    """Stops whoever has looked so often in vain."""
    left = iter(range(times))
    return lambda: next(left, None) is None


def test_many_share_and_who_would_be_alone_waits_for_all_to_leave(tmp_path: Path) -> None:
    first, second = Other(tmp_path), Other(tmp_path)
    assert (first.said(), second.said()) == (b"s", b"s")
    with turn_on(UUID, patience(20), tmp_path) as turn, pytest.raises(Interrupted):
        turn.alone()
    first.on()  # waits for the second, and soon lets nobody in before itself
    while is_let_in(tmp_path):
        continue
    assert not first.has_said()
    second.on()  # which gives its share up and queues behind the first
    assert first.said() == b"a"
    assert not second.has_said()
    first.on()
    assert second.said() == b"a"
    assert not is_let_in(tmp_path)
    second.on()
    with turn_on(UUID, None, tmp_path) as turn:
        turn.alone()


def test_a_process_that_dies_alone_leaves_the_gpu(tmp_path: Path) -> None:
    other = Other(tmp_path, lambda turn: (turn.alone(), os._exit(1)))
    assert other.said() == b"s"
    other.on()
    with turn_on(UUID, None, tmp_path) as turn:
        turn.alone()


def test_gpus_are_apart(tmp_path: Path) -> None:
    with turn_on(UUID, patience(1), tmp_path) as turn, turn_on("GPU-1", patience(1), tmp_path) as other:
        turn.alone()
        other.alone()

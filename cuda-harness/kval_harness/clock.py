"""Clocks for one call on a device, from a cold cache, with everything that the call started at its end.

They live in the process that makes the call, so they are made before a candidate is loaded and keep torch's functions
as they were then: what a candidate patches afterwards changes nothing here, and `Seal` tells that it tried. What
reaches into the process below Python is for the outside clock to find (`timing.check_outside`).
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

L2_FALLBACK_BYTES = 64 * 1024 * 1024
SEALED = (
    "torch.cuda.Event",
    "torch.cuda.Event.record",
    "torch.cuda.Event.elapsed_time",
    "torch.cuda.Event.synchronize",
    "torch.cuda.synchronize",
    "torch.cuda.current_stream",
    "torch._C._cuda_synchronize",
    "torch.Tensor.to",
    "torch.Tensor.fill_",
    "torch.allclose",
    "torch.isclose",
    "torch.equal",
    "time.perf_counter",
    "time.perf_counter_ns",
    "time.monotonic",
    "time.time",
)

# Kept from before any candidate was there.
_now_ns = time.perf_counter_ns


@dataclass(frozen=True)
class Lap:
    """One timed call, in milliseconds. `event_ms`: by the device, on the stream that the call was made on. `host_ms`:
    by the host, until nothing was left to do on the whole device; work on other streams or threads shows only here.
    `outside_ms`: the whole command as another process saw it, copies and checks included."""

    event_ms: float
    host_ms: float
    outside_ms: float | None = None


class Clock(Protocol):
    flush_bytes: int

    def lap(self, call: Callable[[], object]) -> tuple[object, Lap]:
        """Runs `call` to its end; returns what it returned and how long that took."""

    def time(self, call: Callable[[], object]) -> tuple[object, float]:
        """The same, with the device's milliseconds alone."""


def clock_for(torch_device: str) -> EventClock | WallClock:
    import torch

    device = torch.device(torch_device)
    return EventClock(device) if device.type == "cuda" else WallClock()


class EventClock:
    """CUDA events around the call on the stream that was current when the clock was made, after a write of twice the
    L2 cache. `flush` False leaves the cache as it is."""

    def __init__(self, device: torch.device, *, flush: bool = True) -> None:
        import torch

        about = torch.cuda.get_device_properties(device)
        l2_bytes = int(getattr(about, "L2_cache_size", 0)) or L2_FALLBACK_BYTES
        self.flush_bytes = 2 * l2_bytes if flush else 0
        self._flush = torch.empty(self.flush_bytes, dtype=torch.uint8, device=device)
        self._turn = 0
        self._forget_persistent = _persistence_reset(torch.version.cuda)
        event, wait, fill = torch.cuda.Event, torch.cuda.synchronize, torch.Tensor.fill_
        self._event: Callable[[], Any] = lambda: event(enable_timing=True)
        self._wait: Callable[[], object] = lambda: wait(device)
        self._fill: Callable[[int], object] = lambda value: fill(self._flush, value)
        self._record, self._elapsed = event.record, event.elapsed_time
        self._stream = torch.cuda.current_stream(device)

    def lap(self, call: Callable[[], object]) -> tuple[object, Lap]:
        begin, end = self._event(), self._event()
        if self.flush_bytes:
            self._turn = (self._turn + 1) % 256
            self._forget_persistent()
            self._fill(self._turn)
        self._wait()
        started = _now_ns()
        self._record(begin, self._stream)
        result = call()
        self._record(end, self._stream)
        self._wait()
        host_ms = (_now_ns() - started) / 1e6
        return result, Lap(float(self._elapsed(begin, end)), host_ms)

    def time(self, call: Callable[[], object]) -> tuple[object, float]:
        result, lap = self.lap(call)
        return result, lap.event_ms


class WallClock:
    """A monotonic clock around the call, for devices that compute in step with the host."""

    flush_bytes = 0

    def lap(self, call: Callable[[], object]) -> tuple[object, Lap]:
        started = _now_ns()
        result = call()
        host_ms = (_now_ns() - started) / 1e6
        return result, Lap(host_ms, host_ms)

    def time(self, call: Callable[[], object]) -> tuple[object, float]:
        result, lap = self.lap(call)
        return result, lap.event_ms


class Seal:
    """Functions as they were when the seal was put on: clocks, synchronisation, comparison."""

    def __init__(self, names: tuple[str, ...] = SEALED) -> None:
        self._sealed = {name: found for name in names if (found := _named(name)) is not None}

    def broken(self) -> list[str]:
        """The names that mean something else now."""
        return [name for name, was in self._sealed.items() if _named(name) is not was]


def _named(name: str) -> object | None:
    import torch

    root, _, rest = name.partition(".")
    try:
        found: object = attrgetter(rest)({"torch": torch, "time": time}[root])
    except AttributeError:
        return None
    return found


def _persistence_reset(cuda: str | None) -> Callable[[], object]:
    """Drops lines that a kernel asked the L2 cache to keep; does nothing where the CUDA runtime cannot be found."""
    with suppress(OSError, AttributeError):
        runtime = ctypes.CDLL(f"libcudart.so.{(cuda or '').split('.')[0]}")
        reset: Callable[[], object] = runtime.cudaCtxResetPersistingL2Cache
        return reset
    return lambda: None

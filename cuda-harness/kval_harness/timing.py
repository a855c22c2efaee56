"""How long calls take: one protocol for every device, with the clock handed in.

Candidate and reference are timed in turn on the same device, in random order within each round, so that heat, clocks
and neighbours meet both alike. Warm-up calls look like timed calls to the process that runs them. Times are
milliseconds, unrounded, and every sample is kept.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Protocol

from kval_harness.contain import Json
from kval_harness.outcome import Spread, Timing

if TYPE_CHECKING:
    import torch

WARM_UP_ROUNDS = 3
L2_FALLBACK_BYTES = 64 * 1024 * 1024


class Clock(Protocol):
    """Times one call on a device, from a cold cache. Lives in the process that makes the call."""

    def time(self, call: Callable[[], object]) -> tuple[object, float]:
        """Runs `call` to its end; returns what it returned and the milliseconds."""


@dataclass(frozen=True)
class Samples:
    """Times of the rounds after the warm-up, and by the outside clock the whole round trip of each candidate call."""

    candidate_ms: tuple[float, ...]
    reference_ms: tuple[float, ...]
    outside_ms: tuple[float, ...]


def interleave(
    candidate: Callable[[int], tuple[float, float]],
    reference: Callable[[int], float],
    *,
    rounds: int,
    sets: int,
    random: Random,
    warm_up: int = WARM_UP_ROUNDS,
) -> Samples:
    """Times `rounds` pairs of calls after `warm_up` pairs. Each function gets the number of an input set and returns
    milliseconds; `candidate` also those of the outside clock."""
    theirs: list[float] = []
    ours: list[float] = []
    outside: list[float] = []
    for turn in range(warm_up + rounds):
        chosen = random.randrange(sets)
        reference_first = random.random() < 0.5
        reference_ms = reference(chosen) if reference_first else None
        candidate_ms, outside_ms = candidate(chosen)
        if reference_ms is None:
            reference_ms = reference(chosen)
        if turn >= warm_up:
            theirs.append(candidate_ms)
            ours.append(reference_ms)
            outside.append(outside_ms)
    return Samples(tuple(theirs), tuple(ours), tuple(outside))


def summarise(samples: Samples, clock: dict[str, Json]) -> Timing:
    """Medians and spreads; the speed-up is the reference's median over the candidate's."""
    candidate, reference = spread(samples.candidate_ms), spread(samples.reference_ms)
    outside = statistics.median(samples.outside_ms)
    return Timing(candidate, reference, reference.median / candidate.median, clock | {"outsideMedianMs": outside})


def spread(samples: Sequence[float]) -> Spread:
    """Raises ValueError for no samples or a time that is not a positive number."""
    if not samples or not all(math.isfinite(one) and one > 0 for one in samples):
        raise ValueError("a time must be a positive number of milliseconds")
    return Spread(
        median=statistics.median(samples),
        mean=statistics.fmean(samples),
        std=statistics.stdev(samples) if len(samples) > 1 else 0.0,
        min=min(samples),
        max=max(samples),
        samples=tuple(samples),
    )


def floor_ms(moved_bytes: int, bandwidth_bytes_per_s: float) -> float:
    """The least time in which so many bytes can be moved at all."""
    return moved_bytes / bandwidth_bytes_per_s * 1000


class EventClock:
    """CUDA events around the call on the current stream, after a write of twice the L2 cache."""

    def __init__(self, device: torch.device) -> None:
        import torch

        about = torch.cuda.get_device_properties(device)
        l2_bytes = int(getattr(about, "L2_cache_size", 0)) or L2_FALLBACK_BYTES
        self.flush_bytes = 2 * l2_bytes
        self._device = device
        self._flush = torch.empty(self.flush_bytes, dtype=torch.uint8, device=device)

    def time(self, call: Callable[[], object]) -> tuple[object, float]:
        import torch

        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        self._flush.fill_(1)
        torch.cuda.synchronize(self._device)
        begin.record()
        result = call()
        end.record()
        torch.cuda.synchronize(self._device)
        return result, float(begin.elapsed_time(end))


class WallClock:
    """A monotonic clock around the call, for devices that compute in step with the host."""

    flush_bytes = 0

    def time(self, call: Callable[[], object]) -> tuple[object, float]:
        import time

        begin = time.perf_counter()
        result = call()
        return result, (time.perf_counter() - begin) * 1000


def clock_for(torch_device: str) -> EventClock | WallClock:
    import torch

    device = torch.device(torch_device)
    return EventClock(device) if device.type == "cuda" else WallClock()

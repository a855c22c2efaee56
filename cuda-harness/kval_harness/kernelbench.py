"""KernelBench's own rules, restated: what `compat` "kernelbench" means for correctness and for time.

Correctness: five trials, each on inputs from a seed that follows from 42; the output's shape is the reference's, and
`torch.allclose(reference, candidate)` at one tolerance, absolute and relative, that the precision decides; all trials
must pass. Time: CUDA events round each call, 3 calls to warm up, 1 more discarded, the mean of 100, three digits kept.

Where `compat` differs on purpose, so that a run can neither be faked nor spoil the next one:
- reference and candidate live in different processes, so a candidate cannot rewrite the reference, and it works on
  its own copy of the inputs;
- integer inputs keep their type (KernelBench casts them to floats, on which some references fail);
- several outputs are compared one by one (KernelBench fails on whatever has no shape);
- a wrong type is a mismatch with a name (KernelBench stores the exception of allclose as a runtime error);
- a failure is never "try again" because its text contains "lock", and never called a compile error afterwards;
- the clock is checked as always; a time that cannot be is rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kval_harness.compare import KERNELBENCH_TOLERANCE

if TYPE_CHECKING:
    import torch

SEED = 42
TRIALS = 5
TIMED_CALLS = 100
WARM_UP = 3
DISCARDED = 1
EXCESSIVE_SPEEDUP = 10.0
FLUSH_BYTES = 32 * 1024 * 1024 * 8


@dataclass(frozen=True)
class Word:
    """KernelBench's word on one trial; the figures are kept only for values that differ."""

    correct: bool
    issue: str | None = None
    max_difference: float | None = None
    avg_difference: float | None = None


@dataclass(frozen=True)
class Stats:
    """Milliseconds with three significant digits, as KernelBench stores them; `std` is the population's."""

    mean: float
    std: float
    min: float
    max: float
    num_trials: int


def trial_seeds(count: int = TRIALS, seed: int = SEED) -> list[int]:
    """The seeds of the trials' inputs. Weights, and the inputs of the timed calls, come from `seed` itself."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    return [int(torch.randint(0, 2**32 - 1, (1,), generator=generator)) for _ in range(count)]


def compare_as_kernelbench(reference: torch.Tensor, candidate: object, precision: str) -> Word:
    """One trial's comparison. The relative tolerance is of the candidate's output, and NaN never equals NaN."""
    import torch

    if not isinstance(candidate, torch.Tensor):
        return Word(False, f"runtime error: a {type(candidate).__name__} has no shape")
    if reference.shape != candidate.shape:
        return Word(False, f"Output shape mismatch: Expected {reference.shape}, got {candidate.shape}")
    tolerance = KERNELBENCH_TOLERANCE[precision]
    try:
        if torch.allclose(reference, candidate, atol=tolerance, rtol=tolerance):
            return Word(True)
        gap = (reference - candidate).abs()
        return Word(False, "Output mismatch", float(gap.max()), float(gap.mean()))
    except RuntimeError as error:  # two types, or a type that cannot be subtracted
        return Word(False, f"runtime error: {error}")


def time_as_kernelbench(time_call: Callable[[], float], calls: int = TIMED_CALLS) -> list[float]:
    """The milliseconds of `calls` calls after those that do not count; `time_call` flushes the cache first."""
    for _ in range(WARM_UP + DISCARDED):
        time_call()
    return [time_call() for _ in range(calls)]


def stats(samples: Sequence[float]) -> Stats:
    """Raises ValueError for no samples."""
    if not samples:
        raise ValueError("no samples")
    mean = sum(samples) / len(samples)
    variance = sum((one - mean) ** 2 for one in samples) / len(samples)
    return Stats(
        mean=_three_digits(mean),
        std=_three_digits(variance**0.5),
        min=_three_digits(min(samples)),
        max=_three_digits(max(samples)),
        num_trials=len(samples),
    )


def speedup(reference: Stats, candidate: Stats) -> tuple[float, bool]:
    """The ratio of the rounded means, and whether KernelBench would flag it as excessive. A mean that was rounded to
    zero gives no ratio: infinity, flagged."""
    ratio = reference.mean / candidate.mean if candidate.mean else float("inf")
    return ratio, ratio > EXCESSIVE_SPEEDUP


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")

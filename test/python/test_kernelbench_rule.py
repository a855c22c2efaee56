"""KernelBench's own rules, against restatements that lean on torch and numpy as KernelBench does."""

from __future__ import annotations

import numpy
import pytest
import torch
from kval_harness.compare import KERNELBENCH_TOLERANCE, Agreement, Expected, Rule, compare
from kval_harness.kernelbench import (
    DISCARDED,
    TRIALS,
    WARM_UP,
    compare_as_kernelbench,
    speedup,
    stats,
    time_as_kernelbench,
    trial_seeds,
)

torch.set_num_threads(1)  # OpenMP's threads do not survive a fork, and other tests fork from this process


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_the_rule_is_allclose_of_reference_and_candidate(precision: str) -> None:
    dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    tolerance = KERNELBENCH_TOLERANCE[precision]
    generator = torch.Generator().manual_seed(1)
    words = set()
    for scale in (0.1, 0.3, 0.5, 0.7, 1.0, 3.0):
        for size in (1e-3, 1.0, 100.0):
            reference = (torch.randn(200, generator=generator) * size).to(dtype)
            candidate = (reference.float() * (1 + scale * tolerance * torch.randn(200, generator=generator))).to(dtype)
            word = compare_as_kernelbench(reference, candidate, precision)
            assert word.correct == torch.allclose(reference, candidate, atol=tolerance, rtol=tolerance)
            ours = compare(candidate, Expected(reference, None), Rule(tolerance, scaled=False))
            assert isinstance(ours, Agreement) == word.correct
            words.add(word.correct)
    assert words == {True, False}


def test_the_relative_tolerance_is_of_the_candidate() -> None:
    """Between the two orders of the arguments lies one value that only one of them accepts."""
    reference = torch.tensor([100.0], dtype=torch.float64)
    candidate = torch.tensor([100.010101], dtype=torch.float64)
    assert not torch.allclose(candidate, reference, atol=1e-4, rtol=1e-4)
    assert compare_as_kernelbench(reference, candidate, "fp32").correct
    assert isinstance(compare(candidate, Expected(reference, None), Rule(1e-4, scaled=False)), Agreement)


def test_what_fails_and_what_is_kept() -> None:
    reference = torch.tensor([1.0, 2.0])
    shape = compare_as_kernelbench(reference, reference[None], "fp32")
    assert not shape.correct and shape.issue is not None and shape.issue.startswith("Output shape mismatch")
    off = compare_as_kernelbench(reference, torch.tensor([1.0, 2.5]), "fp32")
    assert (off.issue, off.max_difference, off.avg_difference) == ("Output mismatch", 0.5, 0.25)
    wide = compare_as_kernelbench(reference, reference.double(), "fp32")
    assert not wide.correct and wide.issue is not None and wide.issue.startswith("runtime error")
    assert not compare_as_kernelbench(reference, (reference, reference), "fp32").correct
    nan = torch.tensor([float("nan"), 2.0])
    assert not compare_as_kernelbench(nan, nan.clone(), "fp32").correct


def test_zeros_pass_for_small_outputs_and_integers_need_not_be_equal() -> None:
    small = torch.full((131_072,), 1 / 131_072)
    assert compare_as_kernelbench(small, torch.zeros_like(small), "fp32").correct
    index = torch.tensor([50_000])
    assert compare_as_kernelbench(index, index + 1, "fp32").correct
    assert isinstance(compare(index + 1, Expected(index, None), Rule(1e-4, scaled=False)), Agreement)
    assert not isinstance(compare(index + 1, Expected(index, None), Rule(1e-4)), Agreement)


def test_the_seeds_follow_from_42() -> None:
    torch.manual_seed(42)
    drawn = [torch.randint(0, 2**32 - 1, (1,)).item() for _ in range(TRIALS)]
    before = torch.get_rng_state()
    assert trial_seeds() == drawn
    assert torch.equal(torch.get_rng_state(), before)
    assert trial_seeds(2, seed=7) != trial_seeds(2)


def test_stats_are_the_populations_with_three_digits() -> None:
    samples = [0.123456, 0.2345678, 12.34567, 3.0]
    found = stats(samples)
    assert found.mean == float(f"{numpy.mean(samples):.3g}")
    assert found.std == float(f"{numpy.std(samples):.3g}")
    assert (found.min, found.max, found.num_trials) == (0.123, 12.3, 4)
    with pytest.raises(ValueError, match="no samples"):
        stats([])


def test_warm_up_and_the_first_call_do_not_count() -> None:
    calls = iter(range(100))
    assert time_as_kernelbench(lambda: float(next(calls)), 5) == [4.0, 5.0, 6.0, 7.0, 8.0]
    assert WARM_UP + DISCARDED == 4


def test_the_speed_up_is_of_rounded_means_and_flagged_above_ten() -> None:
    assert speedup(stats([1.004]), stats([1.0])) == (1.0, False)
    assert speedup(stats([11.0]), stats([1.0])) == (11.0, True)
    assert speedup(stats([1.0]), stats([0.0])) == (float("inf"), True)

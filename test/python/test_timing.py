"""The timing protocol with clocks of the test's own."""

from __future__ import annotations

import time
from random import Random

import pytest
from kval_harness.timing import WARM_UP_ROUNDS, Samples, WallClock, floor_ms, interleave, spread, summarise


def test_candidate_and_reference_take_turns_in_random_order() -> None:
    calls: list[str] = []

    def candidate(chosen: int) -> tuple[float, float]:
        calls.append(f"c{chosen}")
        return len(calls), len(calls) + 0.5

    def reference(chosen: int) -> float:
        calls.append(f"r{chosen}")
        return len(calls)

    samples = interleave(candidate, reference, rounds=50, sets=2, random=Random(7))
    assert len(samples.candidate_ms) == len(samples.reference_ms) == len(samples.outside_ms) == 50
    pairs = [(calls[place], calls[place + 1]) for place in range(0, len(calls), 2)]
    assert len(pairs) == 50 + WARM_UP_ROUNDS
    assert all({first[0], second[0]} == {"c", "r"} and first[1] == second[1] for first, second in pairs)
    assert {first[0] for first, _ in pairs} == {"c", "r"}
    assert {first[1] for first, _ in pairs} == {"0", "1"}
    assert min(samples.candidate_ms) > 2 * WARM_UP_ROUNDS  # the warm-up's samples are gone


def test_the_speed_up_is_of_medians_and_no_digit_is_lost() -> None:
    samples = Samples((0.123456789, 0.2, 90.0), (0.4, 0.4, 0.4), (1.0, 2.0, 3.0))
    timing = summarise(samples, {"kind": "wall"})
    assert timing.speedup == 0.4 / 0.2
    assert timing.candidate_ms.samples[0] == 0.123456789
    assert timing.candidate_ms.max == 90.0
    assert timing.clock == {"kind": "wall", "outsideMedianMs": 2.0}


def test_spread_of_one_and_of_many() -> None:
    one = spread([2.5])
    assert (one.median, one.mean, one.std, one.min, one.max) == (2.5, 2.5, 0.0, 2.5, 2.5)
    assert spread([1.0, 3.0]).std == pytest.approx(2**0.5)


@pytest.mark.parametrize("bad", [[], [0.0], [-1.0], [float("nan")], [1.0, float("inf")]])
def test_what_is_not_a_time_is_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        spread(bad)


def test_the_wall_clock_times_the_call() -> None:
    result, duration_ms = WallClock().time(lambda: time.sleep(0.05))
    assert result is None
    assert 50 <= duration_ms < 1000


def test_no_kernel_beats_bytes_over_bandwidth() -> None:
    assert floor_ms(4_800_000_000, 4.8e12) == pytest.approx(1.0)

"""The timing protocol with clocks of the test's own."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from random import Random

import pytest
from kval_harness.clock import Lap
from kval_harness.nvml import HARDWARE_THERMAL, POWER_CAP, Reading
from kval_harness.outcome import Rejected, Timing
from kval_harness.physics import Traffic
from kval_harness.timing import (
    WARM_UP_ROUNDS,
    Batch,
    Round,
    check_outside,
    conclude,
    drift,
    hidden,
    is_bimodal,
    median_error,
    screen,
    spread,
    take_rounds,
)

SMALL = Traffic(1000, 1000)


def test_candidate_and_reference_take_turns_in_random_order() -> None:
    calls: list[str] = []

    def side(name: str) -> Callable[[int], Lap]:
        def call(_: int) -> Lap:
            calls.append(name)
            return Lap(len(calls), len(calls))

        return call

    taken = take_rounds(side("c"), side("r"), at_most=50, random=Random(7), enough=lambda _: False)
    pairs = [(calls[place], calls[place + 1]) for place in range(0, len(calls), 2)]
    assert len(taken) == 50 and len(pairs) == 50 + WARM_UP_ROUNDS
    assert {frozenset(pair) for pair in pairs} == {frozenset("cr")}
    assert {first for first, _ in pairs} == {"c", "r"}
    assert min(one.candidate.event_ms for one in taken) > 2 * WARM_UP_ROUNDS, "the warm-up's samples are gone"


def test_the_speed_up_is_of_medians_and_no_digit_is_lost() -> None:
    timing = concluded(rounds([0.123456789, 0.2, 90.0], [0.4, 0.4, 0.4]))
    assert timing.speedup == 0.4 / 0.2
    assert timing.candidate_ms.samples[0] == 0.123456789
    assert timing.candidate_ms.max == 90.0
    assert timing.clock["kind"] == "cuda-events"


def test_spread_of_one_and_of_many() -> None:
    one = spread([2.5])
    assert (one.median, one.mean, one.std, one.min, one.max) == (2.5, 2.5, 0.0, 2.5, 2.5)
    assert spread([1.0, 3.0]).std == pytest.approx(2**0.5)


@pytest.mark.parametrize("bad", [[], [0.0], [-1.0], [float("nan")], [1.0, float("inf")]])
def test_what_is_not_a_time_is_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        spread(bad)


def laps(event_ms: Sequence[float], waiting_ms: float = 0.01) -> list[Lap]:
    return [Lap(one, one + waiting_ms, one + 5) for one in event_ms]


def rounds(
    candidate_ms: Sequence[float],
    reference_ms: Sequence[float],
    readings: Sequence[Reading | None] | None = None,
    *,
    waiting_ms: float = 0.01,
) -> list[Round]:
    pairs = zip(laps(candidate_ms, waiting_ms), laps(reference_ms), readings or [None] * len(candidate_ms), strict=True)
    return [Round(*one) for one in pairs]


def noisy(median_ms: float, count: int, seed: int, share: float = 0.01) -> list[float]:
    random = Random(seed)
    return [median_ms * (1 + share * abs(random.gauss(0, 1))) for _ in range(count)]


def reading(sm_mhz: int = 1900, reasons: int = 0) -> Reading:
    return Reading(sm_mhz, 60, 500.0, reasons)


def concluded(taken: Sequence[Round], traffic: Traffic = SMALL, bandwidth: float | None = 4e12) -> Timing:
    found = conclude(taken, traffic, bandwidth, {"kind": "cuda-events"})
    assert isinstance(found, Timing), found
    return found


def rejected(taken: Sequence[Round], traffic: Traffic = SMALL, bandwidth: float | None = 4e12) -> str:
    found = conclude(taken, traffic, bandwidth, {"kind": "cuda-events"})
    assert isinstance(found, Rejected), found
    return found.cheat


def test_every_round_has_a_secret_of_its_own_that_both_sides_get() -> None:
    theirs: list[int] = []
    ours: list[int] = []

    def side(keys: list[int]) -> Callable[[int], Lap]:
        def call(key: int) -> Lap:
            keys.append(key)
            return Lap(1.0, 1.0)

        return call

    taken = take_rounds(side(theirs), side(ours), at_most=30, random=Random(3), enough=lambda _: False)
    assert len(taken) == 30 and len(theirs) == 30 + WARM_UP_ROUNDS
    assert theirs == ours and len(set(theirs)) == len(theirs)


def test_rounds_stop_when_the_medians_are_certain_and_not_before() -> None:
    steady, shaky = itertools.count(), Random(5)
    few = take_rounds(
        lambda _: Lap(1.0 + next(steady) % 3 * 1e-4, 2.0), lambda _: Lap(1.0, 2.0), at_most=500, random=Random(1)
    )
    assert len(few) == 20
    many = take_rounds(lambda _: Lap(shaky.uniform(1, 2), 3.0), lambda _: Lap(1.0, 2.0), at_most=60, random=Random(1))
    assert len(many) == 60
    one = take_rounds(lambda _: Lap(1.0, 2.0), lambda _: Lap(1.0, 2.0), at_most=1, random=Random(1))
    assert len(one) == 1


def test_slowed_rounds_are_taken_again_but_not_for_ever() -> None:
    hot = itertools.cycle([reading(reasons=HARDWARE_THERMAL), reading(), reading()])

    def call(_: int) -> Lap:
        return Lap(1.0, 2.0)

    taken = take_rounds(call, call, at_most=30, random=Random(1), gauge=lambda: next(hot), enough=lambda _: False)
    assert len(taken) == 45
    assert len(screen(taken).rounds) == 30 and screen(taken).dropped == 15
    always = take_rounds(
        call,
        call,
        at_most=30,
        random=Random(1),
        gauge=lambda: reading(reasons=HARDWARE_THERMAL),
        enough=lambda _: False,
    )
    assert len(always) == 45 and screen(always).slowed_throughout


def test_throttled_samples_are_thrown_out() -> None:
    readings = [reading()] * 20 + [reading(reasons=HARDWARE_THERMAL)] * 5 + [reading(1500)] * 5
    taken = rounds([1.0] * 20 + [3.0] * 10, [2.0] * 20 + [6.0] * 10, readings)
    timing = concluded(taken)
    assert timing.candidate_ms.samples == (1.0,) * 20
    assert timing.clock["droppedRounds"] == 10 and timing.clock["slowedThroughout"] is False


def test_a_power_cap_is_how_a_large_device_works() -> None:
    taken = rounds([1.0] * 10, [2.0] * 10, [reading(1700, POWER_CAP)] * 10)
    assert screen(taken).dropped == 0 and not screen(taken).slowed_throughout


def test_a_device_that_is_always_slow_is_timed_and_said_to_be() -> None:
    timing = concluded(rounds([1.0] * 10, [2.0] * 10, [reading(reasons=HARDWARE_THERMAL)] * 9 + [reading()]))
    assert len(timing.candidate_ms.samples) == 10
    assert timing.clock["slowedThroughout"] is True


def test_the_timing_keeps_every_sample_and_names_drift_and_two_modes() -> None:
    steady = concluded(rounds(noisy(1.0, 60, 1), noisy(2.0, 60, 2)))
    assert steady.speedup == pytest.approx(2.0, rel=0.02)
    assert len(steady.candidate_ms.samples) == 60
    assert steady.clock["bimodal"] is False and abs(float(str(steady.clock["drift"]))) < 0.02
    assert steady.clock["outsideMedianMs"] == pytest.approx(6.0, rel=0.02)
    two = concluded(rounds([1.0, 1.5] * 30, [2.0] * 60))
    assert two.clock["bimodal"] is True and two.clock["candidateIqrMs"] == 0.5
    slower = rounds([1.0 + place / 100 for place in range(60)], [2.0] * 60)
    assert drift(slower) == pytest.approx(1.495 / 1.095 - 1, rel=0.01)
    both = rounds([1.0 + place / 100 for place in range(60)], [2.0 + place / 50 for place in range(60)])
    assert abs(drift(both)) < 1e-9, "what slows both sides is no drift of the candidate's"


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_time_that_is_none_is_forged(bad: float) -> None:
    taken = rounds([1.0] * 10, [2.0] * 10)
    taken[4] = Round(Lap(bad, 1.0, 2.0), taken[4].reference)
    assert rejected(taken) == "forged-clock"
    taken[4] = Round(Lap(1.0, bad, 2.0), taken[4].reference)
    assert rejected(taken) == "forged-clock"


def test_clocks_that_contradict_each_other_are_forged() -> None:
    good = rounds([1.0] * 10, [2.0] * 10)
    assert rejected([*good, Round(Lap(3.0, 1.0, 9.0), good[0].reference)]) == "forged-clock"
    assert rejected([*good, Round(Lap(1.0, 10.0, 9.0), good[0].reference)]) == "forged-clock"


def test_the_references_own_times_must_be_times() -> None:
    with pytest.raises(ValueError, match="positive"):
        conclude(rounds([1.0] * 3, [1.0, 0.0, 1.0]), SMALL, None, {})


def test_work_that_goes_on_after_the_stream_has_ended_is_hidden() -> None:
    """The usual way: the kernel runs on a stream of its own, the events on the other see nothing."""
    taken = rounds([0.01] * 20, [2.0] * 20, waiting_ms=1.5)
    assert hidden(taken) == pytest.approx(1.49)
    assert rejected(taken) == "hidden-work"


def test_a_little_hidden_work_is_charged_and_the_cost_of_waiting_is_not() -> None:
    honest = concluded(rounds([0.2] * 20, [2.0] * 20))
    assert honest.candidate_ms.median == 0.2 and honest.clock["chargedMs"] == 0.0
    sly = concluded(rounds([0.2] * 20, [2.0] * 20, waiting_ms=0.09))
    assert sly.candidate_ms.median == pytest.approx(0.28)
    slow_host = [Round(Lap(0.2, 0.5, 9.0), Lap(0.3, 0.6, 9.0)) for _ in range(20)]
    assert concluded(slow_host).candidate_ms.median == 0.2


def test_no_call_is_faster_than_its_memory() -> None:
    traffic = Traffic(input_bytes=4_000_000_000, output_bytes=0)  # one millisecond at 4e12 bytes a second
    assert rejected(rounds([0.5] * 10, [2.0] * 10), traffic) == "impossible-time"
    assert concluded(rounds([1.05] * 10, [2.0] * 10), traffic).speedup == pytest.approx(2 / 1.05)
    assert isinstance(concluded(rounds([0.5] * 10, [2.0] * 10), traffic, None), Timing)
    reads_little = concluded(rounds([0.1] * 10, [0.4] * 10), traffic)
    assert reads_little.speedup == 4.0, "where the reference itself beats the floor, the floor is none"
    assert rejected(rounds([1e-4] * 10, [2.0] * 10), SMALL) == "impossible-time"


def test_few_samples_are_enough_for_a_verdict() -> None:
    assert concluded(rounds([1.0], [2.0])).speedup == 2.0
    assert concluded(rounds([1.0, 3.0], [2.0, 2.0])).candidate_ms.median == 2.0


def test_how_certain_a_median_is() -> None:
    assert median_error([1.0] * 5) == math.inf
    assert median_error([1.0] * 50) == 0.0
    assert median_error([1.0, math.nan] * 10) == math.inf
    few, many = median_error(noisy(1.0, 20, 1, 0.1)), median_error(noisy(1.0, 2000, 1, 0.1))
    assert 0 < many < few / 3
    # The interval holds the true median in 95 of 100 cases, or rather more.
    truth = statistics.median(noisy(1.0, 20_001, 99, 0.1))
    hits = 0
    for seed in range(200):
        samples = noisy(1.0, 40, seed, 0.1)
        ordered = sorted(samples)
        reach = 0.98 * math.sqrt(40)
        hits += ordered[math.floor(20 - reach)] <= truth <= ordered[math.ceil(20 + reach)]
    assert hits >= 186


def test_two_modes_need_a_gap_in_the_middle() -> None:
    assert is_bimodal([1.0] * 50 + [1.5] * 50)
    assert not is_bimodal([1.0] * 95 + [9.0] * 5), "a few stragglers are no second mode"
    assert not is_bimodal(noisy(1.0, 100, 4, 0.1))
    assert not is_bimodal([1.0])


def batches(per_call_ms: float, fixed_ms: float, seed: int, noise_ms: float = 0.3) -> list[Batch]:
    random = Random(seed)
    counts = [1, 1, 20, 20, 100, 100]
    return [Batch(count, fixed_ms + count * per_call_ms + random.random() * noise_ms) for count in counts]


def test_the_outside_clock_catches_times_that_are_made_up() -> None:
    reference = batches(2.05, 30.0, 1)
    assert check_outside(1.0, batches(1.05, 30.0, 2), 2.0, reference) is None
    found = check_outside(0.01, batches(1.05, 30.0, 2), 2.0, reference)
    assert found is not None and found.cheat == "forged-clock" and "0.01 ms by its own clock" in found.evidence


def test_what_a_call_costs_outside_the_clock_is_not_held_against_the_candidate() -> None:
    """Upload and flush of 0.8 ms a call, for a kernel of 5 microseconds."""
    assert check_outside(0.005, batches(0.805, 10.0, 3), 0.02, batches(0.82, 10.0, 4)) is None
    assert check_outside(0.005, batches(2.8, 10.0, 3), 0.02, batches(0.82, 10.0, 4)) is not None


def test_the_outside_clock_says_nothing_of_one_batch() -> None:
    assert check_outside(1.0, [Batch(10, 500.0)], 1.0, batches(1.0, 1.0, 1)) is None
    assert check_outside(1.0, [Batch(10, 500.0), Batch(10, 600.0)], 1.0, batches(1.0, 1.0, 1)) is None

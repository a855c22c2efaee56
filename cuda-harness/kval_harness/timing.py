"""How long calls take: one protocol for every device, with the clocks handed in.

Candidate and reference are timed in turn on the same device, in random order within each round, so that heat, clocks
and neighbours meet both alike. Every call gets other values, which a secret number for the round decides. Warm-up
calls look like timed calls to the process that runs them. Rounds go on until the medians are certain enough or the
count is reached; rounds in which the device slowed itself down do not count. Times are milliseconds, unrounded, and
every sample that counts is kept.

No clock in the candidate's process is believed alone. Its two must fit each other, each other's share on the reference
being the control; the outside clock must see batches of calls take as much longer as they claim; and no time may be
less than the memory needs.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from random import Random

from kval_harness.clock import Lap
from kval_harness.contain import Json
from kval_harness.nvml import Reading
from kval_harness.outcome import Rejected, Spread, Timing
from kval_harness.physics import LEAST_MS, Traffic, why_impossible

WARM_UP_ROUNDS = 3
AT_LEAST = 20
RELATIVE_ERROR = 0.005
# Rounds beyond the count that may replace slowed ones.
EXTRA_SHARE = 0.5
CLOCK_DROP = 0.9
FEWEST_KEPT = 5
# A candidate's own clocks may disagree by this much more than the reference's do, in milliseconds, before the rest is
# charged to it; and by this much, and this share of the time it claims, before it is called hidden.
UNSEEN_MS = 0.02
HIDDEN_MS = 0.1
HIDDEN_SHARE = 0.5
OUTSIDE_SHARE = 2.0
OUTSIDE_MS = 0.05


@dataclass(frozen=True)
class Round:
    """One call of each side on the same inputs, and what the device said of itself right after."""

    candidate: Lap
    reference: Lap
    reading: Reading | None = None


@dataclass(frozen=True)
class Batch:
    """So many calls without a pause, and the milliseconds of the whole command by the outside clock."""

    calls: int
    outside_ms: float


@dataclass(frozen=True)
class Screened:
    rounds: tuple[Round, ...]
    dropped: int
    slowed_throughout: bool


def take_rounds(
    candidate: Callable[[int], Lap],
    reference: Callable[[int], Lap],
    *,
    at_most: int,
    random: Random,
    at_least: int = AT_LEAST,
    warm_up: int = WARM_UP_ROUNDS,
    gauge: Callable[[], Reading | None] = lambda: None,
    enough: Callable[[Sequence[Round]], bool] | None = None,
) -> tuple[Round, ...]:
    """Times pairs of calls after `warm_up` pairs: `at_most` that count, fewer (but `at_least`) once `enough` says so.

    Each function gets the round's secret number, the same for both sides, and runs one call on the inputs that the
    number decides. Slowed rounds are taken again, up to half as many.
    """
    enough = enough or is_settled
    taken: list[Round] = []
    counting = 0
    longest = warm_up + at_most + math.ceil(at_most * EXTRA_SHARE)
    for turn in range(longest):
        key = random.getrandbits(53)
        first = reference(key) if random.random() < 0.5 else None
        lap = candidate(key)
        pair = Round(lap, first or reference(key), gauge())
        if turn < warm_up:
            continue
        taken.append(pair)
        counting += not (pair.reading is not None and pair.reading.slowed)
        if counting >= at_most or (counting >= min(at_least, at_most) and enough(taken)):
            break
    return tuple(taken)


def is_settled(rounds: Sequence[Round]) -> bool:
    """Whether both medians are known to half a percent."""
    sides = ([one.candidate.event_ms for one in rounds], [one.reference.event_ms for one in rounds])
    return all(median_error(side) <= RELATIVE_ERROR for side in sides)


def median_error(samples: Sequence[float]) -> float:
    """Half the width of the 95% interval of the median (by ranks, for any distribution), relative to the median;
    infinity where the samples are too few or no times."""
    count = len(samples)
    if count < 6 or not all(math.isfinite(one) for one in samples):
        return math.inf
    reach = 0.98 * math.sqrt(count)
    low, high = math.floor(count / 2 - reach), math.ceil(count / 2 + reach)
    ordered, median = sorted(samples), statistics.median(samples)
    if low < 0 or median <= 0:
        return math.inf
    return (ordered[min(high, count - 1)] - ordered[low]) / 2 / median


def screen(rounds: Sequence[Round]) -> Screened:
    """Throws out the rounds in which the device was hot, braked or a tenth below its usual clock. Where that would
    leave less than half, the device is slow as a matter of course: all stay, and it is said."""
    clocks = [one.reading.sm_mhz for one in rounds if one.reading is not None and one.reading.sm_mhz is not None]
    usual = statistics.median(clocks) if clocks else 0.0

    def good(one: Round) -> bool:
        if one.reading is None:
            return True
        slow = one.reading.sm_mhz is not None and one.reading.sm_mhz < CLOCK_DROP * usual
        return not one.reading.slowed and not slow

    kept = tuple(one for one in rounds if good(one))
    if len(kept) < max(min(FEWEST_KEPT, len(rounds)), len(rounds) / 2):
        return Screened(tuple(rounds), 0, True)
    return Screened(kept, len(rounds) - len(kept), False)


def conclude(
    rounds: Sequence[Round], traffic: Traffic, bandwidth: float | None, clock: dict[str, Json], share: float = 1.0
) -> Timing | Rejected:
    """The timing that the rounds give, or the proof that their times are none.

    `bandwidth`: the device's, in bytes a second, None where unknown. `share`: see `physics.why_impossible`. Raises
    ValueError for no rounds, or where the reference's own times are not times.
    """
    forged = next((why for one in rounds if (why := _why_forged(one.candidate)) is not None), None)
    if forged is not None:
        return Rejected("forged-clock", forged)
    screened = screen(rounds)
    kept = screened.rounds
    reference = spread([one.reference.event_ms for one in kept])
    hidden_ms = hidden(kept)
    claimed = statistics.median(one.candidate.event_ms for one in kept)
    if hidden_ms > max(HIDDEN_MS, HIDDEN_SHARE * claimed):
        evidence = f"{claimed:.4g} ms by the stream's events, but {hidden_ms:.4g} ms more until the device was idle"
        return Rejected("hidden-work", evidence)
    charged_ms = hidden_ms if hidden_ms > UNSEEN_MS else 0.0
    candidate = spread([one.candidate.event_ms + charged_ms for one in kept])
    impossible = why_impossible(candidate.median, reference.median, traffic, bandwidth, share)
    if impossible is not None:
        return Rejected("impossible-time", impossible)
    outside = [one.candidate.outside_ms for one in kept if one.candidate.outside_ms is not None]
    facts: dict[str, Json] = {
        "droppedRounds": screened.dropped,
        "slowedThroughout": screened.slowed_throughout,
        "chargedMs": charged_ms,
        "outsideMedianMs": statistics.median(outside) if outside else None,
        "candidateIqrMs": interquartile(candidate.samples),
        "referenceIqrMs": interquartile(reference.samples),
        "drift": drift(kept),
        "bimodal": is_bimodal(candidate.samples),
    }
    return Timing(candidate, reference, reference.median / candidate.median, clock | facts)


def hidden(rounds: Sequence[Round]) -> float:
    """The milliseconds by which the candidate's device went on working after its stream had ended, beyond what the
    reference shows of the same kind (the cost of waiting); at least 0."""
    theirs = statistics.median(one.candidate.host_ms - one.candidate.event_ms for one in rounds)
    ours = statistics.median(one.reference.host_ms - one.reference.event_ms for one in rounds)
    return max(0.0, theirs - ours)


def check_outside(
    candidate_ms: float, candidate: Sequence[Batch], reference_ms: float, reference: Sequence[Batch]
) -> Rejected | None:
    """Whether another process's clock sees the candidate take as long as its own clock says.

    The first two are the medians by the processes' own clocks. What a call costs beyond that (upload, flush, Python)
    is taken from the reference, which obeys the same commands. Doubtful cases are the candidate's: of the pairs of
    batches the lower quartile of its slopes counts, and the upper of the reference's.
    """
    theirs, ours = _slopes(candidate), _slopes(reference)
    if not theirs or not ours:
        return None
    overhead = max(0.0, _quantile(ours, 0.75) - reference_ms)
    seen = _quantile(theirs, 0.25) - overhead
    if seen <= OUTSIDE_SHARE * candidate_ms + OUTSIDE_MS:
        return None
    return Rejected("forged-clock", f"{candidate_ms:.4g} ms by its own clock, {seen:.4g} ms a call by the outside one")


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


def interquartile(samples: Sequence[float]) -> float:
    return _quantile(samples, 0.75) - _quantile(samples, 0.25)


def drift(rounds: Sequence[Round]) -> float:
    """How much slower, relative to the reference, the candidate was in the last third than in the first."""
    ratios = [one.candidate.event_ms / one.reference.event_ms for one in rounds]
    third = len(ratios) // 3
    return statistics.median(ratios[-third:]) / statistics.median(ratios[:third]) - 1 if third else 0.0


def is_bimodal(samples: Sequence[float]) -> bool:
    """Whether the middle four fifths of the samples fall apart by more than a fifth of the median."""
    ordered = sorted(samples)
    edge = len(ordered) // 10
    middle = ordered[edge : len(ordered) - edge]
    gaps = [after - before for before, after in pairwise(middle)]
    return bool(gaps) and max(gaps) > statistics.median(ordered) / 5


def _why_forged(lap: Lap) -> str | None:
    """A time that cannot be: not a number, more than the host or the outside saw."""
    event, host, outside = lap.event_ms, lap.host_ms, lap.outside_ms
    if not (math.isfinite(event) and math.isfinite(host) and event > 0 and host > 0):
        return f"{event} ms by the device and {host} ms by the host are not times"
    if event > host * 1.05 + UNSEEN_MS:
        return f"{event:.4g} ms by the device within {host:.4g} ms by the host"
    if outside is not None and host > outside + LEAST_MS:
        return f"{host:.4g} ms by its own clock within {outside:.4g} ms by the outside one"
    return None


def _slopes(batches: Sequence[Batch]) -> list[float]:
    """Milliseconds a call, for every pair of batches of different length (after Theil and Sen)."""
    return [
        (one.outside_ms - other.outside_ms) / (one.calls - other.calls)
        for one, other in combinations(batches, 2)
        if one.calls != other.calls
    ]


def _quantile(samples: Sequence[float], share: float) -> float:
    ordered = sorted(samples)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

"""Timing a candidate against the reference on one device, call by call: which inputs, which checks, which clocks.

What the samples mean is for `timing` to say. By our own protocol every call gets other values, some timed answers,
chosen in secret, are checked, and batches of calls show the outside clock whether the times are real. By KernelBench's
the inputs are always the same and its means count; a time that cannot be is rejected there too.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from random import Random

from kval_harness.clock import Lap
from kval_harness.compare import Difference
from kval_harness.contain import Json
from kval_harness.conversation import Conversation, InputSet, Settled, mismatch, secret_seed
from kval_harness.kernelbench import DISCARDED, SEED, WARM_UP, speedup, stats, time_as_kernelbench
from kval_harness.nvml import Gauge, NoGauge
from kval_harness.outcome import Rejected, Timing
from kval_harness.physics import Traffic
from kval_harness.timing import (
    AT_LEAST,
    WARM_UP_ROUNDS,
    Batch,
    Round,
    check_outside,
    conclude,
    spread,
    take_rounds,
)

TIMING_SETS = 2
CHECKED_EARLY = 1
CHECKED_ANYWHERE = 2
BATCHES = (1, 20, 100)
LONGEST_BATCH_S = 1.0
# A busy machine slows batches down too: only what every series shows counts against a candidate.
SERIES = 3
PATIENCE = 4.0


@dataclass(frozen=True)
class Gpu:
    """What the judge says of its GPU: `bandwidth` in bytes a second, None where unknown."""

    uuid: str
    bandwidth: float | None
    l2_bytes: int


def measure(talk: Conversation, rounds: int, trial: int, gpu: Gpu | None) -> Timing:
    """The timing by our own protocol, of at most `rounds` rounds. `trial` is the number that a mismatch gets.

    Raises Settled where an answer is wrong or a time cannot be.
    """
    random = Random(os.urandom(16))
    sets = [talk.make_set() for _ in range(TIMING_SETS)]
    checked = {random.randrange(min(rounds, AT_LEAST)) for _ in range(CHECKED_EARLY)}
    checked |= {random.randrange(rounds) for _ in range(CHECKED_ANYWHERE)}
    turns = count(-WARM_UP_ROUNDS)

    def candidate(key: int) -> Lap:
        made = sets[key % TIMING_SETS]
        lap = talk.time_candidate(made, key)
        if next(turns) in checked:
            found = talk.check_timed(made, key)
            if isinstance(found, Difference):
                raise mismatch(found, trial)
        return lap

    def reference(key: int) -> Lap:
        return talk.time_reference(sets[key % TIMING_SETS], key)

    dials = _dials(gpu)
    taken = take_rounds(
        candidate, reference, at_most=rounds, random=random, gauge=lambda: dials.read() if dials else None
    )
    clock: dict[str, Json] = {"protocol": "kval", "warmUp": WARM_UP_ROUNDS}
    timing = _concluded(talk, taken, sets[0], gpu, clock)
    _check_outside(talk, sets[0], timing, taken, random)
    return timing


def measure_as_kernelbench(talk: Conversation, calls: int, gpu: Gpu | None) -> Timing:
    """The timing by KernelBench's protocol: `calls` calls of the candidate, then as many of the reference, all on the
    same inputs; the speed-up is that of its means. Raises Settled where a time cannot be."""
    made = talk.make_set(SEED)
    theirs: list[Lap] = []
    ours: list[Lap] = []

    def candidate() -> float:
        theirs.append(talk.time_candidate(made, None))
        return theirs[-1].event_ms

    def reference() -> float:
        ours.append(talk.time_reference(made, None))
        return ours[-1].event_ms

    samples = time_as_kernelbench(candidate, calls), time_as_kernelbench(reference, calls)
    taken = [Round(*pair) for pair in zip(theirs[-calls:], ours[-calls:], strict=True)]
    clock: dict[str, Json] = {"protocol": "kernelbench", "warmUp": WARM_UP + DISCARDED}
    timing = _concluded(talk, taken, made, gpu, clock)
    _check_outside(talk, made, timing, taken, Random(os.urandom(16)))
    given, wanted = (stats(side) for side in samples)
    ratio, excessive = speedup(wanted, given)
    means: dict[str, Json] = {
        "candidateMeanMs": given.mean,
        "referenceMeanMs": wanted.mean,
        "excessiveSpeedup": excessive,
    }
    # What KernelBench would say, without the share that we charge for work it does not see.
    return Timing(spread(samples[0]), spread(samples[1]), ratio, timing.clock | means)


def _concluded(
    talk: Conversation, taken: Sequence[Round], made: InputSet, gpu: Gpu | None, clock: dict[str, Json]
) -> Timing:
    moved = made.input_bytes + sum(made.output_bytes)
    about = talk.ask_judge({"do": "clock"})
    clock = {"kind": "wall" if gpu is None else "cuda-events", "movedBytes": moved, **about, **clock}
    traffic = Traffic(made.input_bytes, sum(made.output_bytes), gpu.l2_bytes if gpu else 0)
    bandwidth = gpu.bandwidth if gpu else None
    found = conclude(taken, traffic, bandwidth, clock)
    if isinstance(found, Rejected) and found.cheat == "impossible-time" and bandwidth is not None:
        # It may be that the problem needs only a part of its inputs: worth a look before anybody is accused.
        reply = talk.ask_judge({"do": "share", "set": made.number, "seed": secret_seed()})
        found = conclude(taken, traffic, bandwidth, clock, share=float(str(reply["share"])))
    if isinstance(found, Rejected):
        raise Settled(found)
    return found


def _check_outside(talk: Conversation, made: InputSet, timing: Timing, taken: Sequence[Round], random: Random) -> None:
    """Raises Settled where our own clock sees batches of calls take longer than the candidate's clock says."""
    usual_ms = statistics.median(one.candidate.outside_ms or 0.0 for one in taken)
    lengths = _lengths(usual_ms)
    rejected: Rejected | None = None
    for _ in range(SERIES):
        talk.candidate.extend(math.ceil(PATIENCE * sum(lengths) * usual_ms / 1000) + 1)
        theirs: list[Batch] = []
        ours: list[Batch] = []
        for calls in lengths:
            key = random.getrandbits(53) if timing.clock["protocol"] == "kval" else None
            how: dict[str, Json] = {"do": "batch", "calls": calls, "key": key}
            first = random.random() < 0.5
            if first:
                ours.append(_batch_of_reference(talk, made, how, calls))
            began = time.perf_counter()
            talk.command(how | made.to_json())
            theirs.append(Batch(calls, (time.perf_counter() - began) * 1000))
            if not first:
                ours.append(_batch_of_reference(talk, made, how, calls))
        rejected = check_outside(timing.candidate_ms.median, theirs, timing.reference_ms.median, ours)
        if rejected is None:
            return
    if rejected is not None:
        raise Settled(rejected)


def _batch_of_reference(talk: Conversation, made: InputSet, how: dict[str, Json], calls: int) -> Batch:
    began = time.perf_counter()
    talk.ask_judge(how | {"set": made.number})
    return Batch(calls, (time.perf_counter() - began) * 1000)


def _lengths(usual_ms: float) -> list[int]:
    """How many calls the batches have, each length twice: fewer of a slow kernel, but always two lengths."""
    most = max(2, int(LONGEST_BATCH_S * 1000 / max(usual_ms, 1e-3)))
    shares = [min(one, max(1, one * most // BATCHES[-1])) for one in BATCHES]
    shares[-1] = max(2, shares[-1])
    return [one for one in shares for _ in range(2)]


def _dials(gpu: Gpu | None) -> Gauge | None:
    """What reads the GPU's own clocks, where the driver lets it be read."""
    if gpu is None:
        return None
    try:
        return Gauge(gpu.uuid)
    except NoGauge:
        return None

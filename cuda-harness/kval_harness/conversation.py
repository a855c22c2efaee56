"""What the harness says to its two processes: to the judge, who is believed, and to the candidate, who is not.

Each waits for a command, does it and asks for the next; this is the only place where the two meet. What the candidate
answers is checked here for what our code in it would say, and nothing that it says decides anything alone.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from kval_harness.clock import Lap
from kval_harness.compare import Agreement, Difference, How
from kval_harness.contain import Child, ChildEnd, Json, StopSignal, remove
from kval_harness.judge import judge_failure
from kval_harness.outcome import InstrumentError, Mismatch, Rejected, RuntimeFailure
from kval_harness.vary import Kind

OUTPUT_SLACK_BYTES = 64 * 1024 * 1024


class Ended(Exception):
    """The candidate's process ended before its time."""

    def __init__(self, end: ChildEnd) -> None:
        super().__init__(end.kind)
        self.end = end


class Settled(Exception):
    """The verdict is there before the work is done."""

    def __init__(self, outcome: Mismatch | Rejected | RuntimeFailure) -> None:
        super().__init__(outcome.status)
        self.outcome = outcome


@dataclass(frozen=True)
class InputSet:
    """Inputs that the judge made. `mutates`: the reference itself changes them. `mode`: "train" or "eval"."""

    number: int
    file: Path
    mode: str
    mutates: bool
    input_bytes: int
    output_bytes: tuple[int, ...]

    @property
    def outputs(self) -> Path:
        """Where the candidate's answer goes."""
        return self.file.parent.with_name("out") / "outputs"

    def to_json(self) -> dict[str, Json]:
        """What the candidate must know to run it."""
        sizes: list[Json] = list(self.output_bytes)
        return {
            "inputs": str(self.file),
            "outputs": str(self.outputs),
            "outputBytes": sizes,
            "mode": self.mode,
        }


def hear_judge(judge: Child, stop: StopSignal | None) -> dict[str, Json]:
    """Raises InstrumentError where the judge's process failed: the problem's fault, or the machine's."""
    request = judge.receive(stop)
    if request is not None and isinstance(request.body, dict):
        return request.body
    end = judge.end()
    if end.kind == "timeout":
        raise InstrumentError("problem-broken", "the reference takes too long on this device", retry=False)
    if end.kind == "signalled" and end.signal == signal.SIGKILL:
        raise InstrumentError("out-of-memory", "the reference's process was killed: out of memory?", retry=True)
    raise judge_failure(end.error_type, end.error or f"its process ended ({end.kind}) {end.stderr[-1000:]}")


@dataclass
class Conversation:
    """`serve_load` answers what the candidate's imports ask for; `notes` collects what the judge has to say."""

    judge: Child
    candidate: Child
    serve_load: Callable[[Json], Json]
    stop: StopSignal | None
    notes: list[str] = field(default_factory=list)
    _sets: int = 0

    # --- with the judge ----------------------------------------------------------------------------------------------

    def make_set(self, seed: int | None = None) -> InputSet:
        """Fresh inputs from a secret seed, or from the one given."""
        made = self._make({"seed": secret_seed() if seed is None else seed})
        assert made is not None
        return made

    def make_variant(self, kind: Kind) -> InputSet | None:
        """The same with the values distributed in another way; None where that makes no inputs to judge by."""
        return self._make({"seed": secret_seed(), "vary": kind})

    def check(self, made: InputSet, slack: float = 1.0) -> Difference | Agreement:
        """Compares what the candidate wrote last."""
        limit = 8 * sum(made.output_bytes) + OUTPUT_SLACK_BYTES  # a wrong dtype may be eight times as wide
        command: dict[str, Json] = {"do": "check", "set": made.number, "slack": slack}
        reply = self.ask_judge(command | {"file": str(made.outputs), "maxBytes": limit})
        remove(made.outputs)
        how = reply["how"]
        worst = _number(reply["maxAbs"]), _number(reply["maxRel"]), _number(reply["norm"])
        if how is None:
            return Agreement(*(one or 0.0 for one in worst))
        return Difference(cast(How, how), str(reply["message"]), *worst)

    def check_timed(self, made: InputSet, key: int) -> Difference | Agreement:
        """Compares what the candidate's last timed call gave, for the inputs that `key` made of the set."""
        self.command({"do": "keep", "outputs": str(made.outputs)})
        fresh = self._make({"from": made.number, "key": key})
        assert fresh is not None
        return self.check(fresh)

    def time_reference(self, made: InputSet, key: int | None) -> Lap:
        reply = self.ask_judge({"do": "time", "set": made.number, "key": key})
        return Lap(_time(reply.get("eventMs")), _time(reply.get("hostMs")))

    def ask_judge(self, command: dict[str, Json]) -> dict[str, Json]:
        """The candidate's clock stands while the judge works."""
        began = time.monotonic()
        self.judge.answer(command)
        reply = hear_judge(self.judge, self.stop)
        self.candidate.extend(time.monotonic() - began)
        return reply

    def _make(self, how: dict[str, Json]) -> InputSet | None:
        number = self._sets
        self._sets += 1
        reply = self.ask_judge({"do": "set", "set": number, **how})
        if "skipped" in reply:
            return None
        notes, sizes = reply["notes"], reply["outputBytes"]
        assert isinstance(notes, list) and isinstance(sizes, list)
        self.notes.extend(str(note) for note in notes)
        return InputSet(
            number=number,
            file=Path(str(reply["file"])),
            mode=str(reply["mode"]),
            mutates=reply["mutates"] is True,
            input_bytes=int(str(reply["inputBytes"])),
            output_bytes=tuple(int(str(one)) for one in sizes),
        )

    # --- with the candidate ------------------------------------------------------------------------------------------

    def time_candidate(self, made: InputSet, key: int | None) -> Lap:
        """One timed call, by the candidate's own two clocks and by ours. Its times may be anything, NaN too."""
        began = time.perf_counter()
        reply = self.command({"do": "time", "key": key, **made.to_json()})
        outside_ms = (time.perf_counter() - began) * 1000
        refuse_lazy(reply)
        return Lap(_time(reply.get("eventMs")), _time(reply.get("hostMs")), outside_ms)

    def command(self, command: dict[str, Json]) -> dict[str, Json]:
        """Raises Ended, or Settled where its reply gives it away."""
        self.candidate.answer(command)
        return self.expect("done")

    def expect(self, step: str) -> dict[str, Json]:
        """The candidate's next word, which must be that it has come to `step`."""
        said = self._hear_candidate()
        if said["step"] != step:
            evidence = f"the candidate's process said {str(said['step'])[:100]!r} where {step!r} was due"
            raise Settled(Rejected("forged-reply", evidence))
        patched = said.get("patched")
        if isinstance(patched, list) and patched:
            names = ", ".join(str(name)[:100] for name in patched[:20])
            raise Settled(Rejected("forged-clock", f"the candidate gave another meaning to {names}"))
        if isinstance(said.get("replaced"), str):
            evidence = f"{str(said['replaced'])[:100]} was replaced in the candidate's process"
            raise Settled(Rejected("patched-harness", evidence))
        return said

    def _hear_candidate(self) -> dict[str, Json]:
        while True:
            request = self.candidate.receive(self.stop)
            if request is None:
                raise Ended(self.candidate.end())
            if isinstance(request.body, dict) and isinstance(request.body.get("step"), str):
                return request.body
            self.candidate.answer(self.serve_load(request.body))


def refuse_lazy(reply: dict[str, Json]) -> None:
    if isinstance(reply.get("lazy"), str):
        evidence = f"forward returned a {str(reply['lazy'])[:100]}, which can put its work off"
        raise Settled(Rejected("lazy-tensor", evidence))


def mismatch(found: Difference, trial: int, message: str | None = None) -> Settled:
    """A difference as the verdict."""
    said = found.message if message is None else message
    return Settled(Mismatch(found.how, said, trial, found.max_abs_error, found.max_rel_error))


def secret_seed() -> int:
    return int.from_bytes(os.urandom(7), "little")


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _time(value: Json) -> float:
    found = None if isinstance(value, bool) else _number(value)
    return math.nan if found is None else found

"""Runs a built candidate against its problem: two processes that meet only here, and a verdict from neither's word.

The judge's process makes inputs and compares outputs; the candidate's process computes. This process starts both,
carries commands between them, keeps the deadlines and the outside clock, and turns what happened into an outcome.
"""

from __future__ import annotations

import math
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Literal

from kval_harness.contain import Channel, Child, ChildEnd, Fences, Json, Limits, StopSignal, remove
from kval_harness.devices import check_health, classify
from kval_harness.judge import Trial, judge_failure, judge_task
from kval_harness.launches import ORDERS, CudaFault, Unsupported
from kval_harness.outcome import (
    Correct,
    InstrumentError,
    Mismatch,
    Outcome,
    Rejected,
    RuntimeFailure,
    Timeout,
    Timing,
)
from kval_harness.protocol import DeviceName, ExecuteSettings
from kval_harness.runner import POISONS, runner_task
from kval_harness.timing import interleave, summarise
from kval_harness.translations import unsupported

SHARED_MEMORY = Path("/dev/shm")
JUDGE_SHARE = 10  # the reference, in two precisions and on several sets, may take this many candidate limits
JUDGE_EXTRA_S = 120.0
TENSOR_FILE_BYTES = 64 * 1024**3
OUTPUT_SLACK_BYTES = 64 * 1024 * 1024
TIMING_SETS = 2
CHECKED_TIMINGS = 2
REPLAY_SHARE = 4  # without its kernels a candidate may take so many times as long as its slowest run, and no longer
Phase = Literal["import", "construct", "forward", "time"]


@dataclass(frozen=True)
class Launch:
    name: str
    count: int
    own: bool


@dataclass(frozen=True)
class Execution:
    """What the run leaves behind beside its outcome."""

    duration_ms: float
    trials: int
    launches: tuple[Launch, ...] | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        launches: list[Json] | None = None
        if self.launches is not None:
            launches = [{"name": one.name, "count": one.count, "own": one.own} for one in self.launches]
        notes: list[Json] = list(self.notes)
        return {"durationMs": self.duration_ms, "trials": self.trials, "launches": launches, "notes": notes}


@dataclass(frozen=True)
class Job:
    """One candidate to run. `load` runs in the candidate's process and returns its module; whatever it asks over the
    channel `serve_load` answers here. `is_own_kernel` tells the candidate's kernels from a library's by name.
    `threads`: how many a device on the CPU may use."""

    source: str
    small: bool
    device: DeviceName
    settings: ExecuteSettings
    folder: Path
    load: Callable[[Channel], ModuleType]
    serve_load: Callable[[Json], Json]
    is_own_kernel: Callable[[str], bool]
    environment: dict[str, str] = field(default_factory=dict)
    memory_bytes: int | None = None
    threads: int | None = None
    libraries: tuple[Path, ...] = ()


def execute(
    job: Job, *, stop: StopSignal | None = None, report: Callable[[str], None] = lambda _: None
) -> tuple[Outcome, Execution]:
    """Judges one candidate on one device: correctness over fresh secret seeds, then time if it is correct.

    On `cpu` there is no time to measure; there the threads of each run go in another order, and a right answer must
    not be right without the candidate's kernels.

    Raises InstrumentError where the machine or the problem failed, Interrupted when `stop` says so.
    """
    began = time.monotonic()
    with _exchange(job.folder) as exchange:
        trial = Trial(
            source=job.source,
            small=job.small,
            device=job.device,
            precision=job.settings.precision,
            compat=job.settings.compat,
            weight_seed=int.from_bytes(os.urandom(7), "little"),
            exchange=tuple(place / "in" for place in exchange),
            threads=job.threads,
        )
        session = _Session(job, trial, stop, report)
        try:
            outcome = session.run()
        except _Ended as ended:
            outcome = session.blame(ended.end)
    duration_ms = (time.monotonic() - began) * 1000
    return outcome, Execution(duration_ms, session.trials_run, session.launches, tuple(dict.fromkeys(session.notes)))


class _Ended(Exception):
    """The candidate's process ended before its time."""

    def __init__(self, end: ChildEnd) -> None:
        super().__init__(end.kind)
        self.end = end


class _Forged(Exception):
    """The candidate's process said something that our code in it does not say."""


@dataclass
class _Session:
    job: Job
    trial: Trial
    stop: StopSignal | None
    report: Callable[[str], None]
    phase: Phase = "import"
    trials_run: int = 0
    launches: tuple[Launch, ...] | None = None
    notes: list[str] = field(default_factory=list)
    sets_made: int = 0
    runs: int = 0
    slowest_run_s: float = 0.0

    def run(self) -> Outcome:
        limit_s = self.job.settings.execute_timeout_ms / 1000
        judge_limits = Limits(limit_s * JUDGE_SHARE + JUDGE_EXTRA_S, file_bytes=TENSOR_FILE_BYTES)
        inputs = self.trial.exchange
        results = tuple(place.with_name("out") for place in inputs)
        judge = Child(
            judge_task(self.trial),
            folder=self.job.folder / "judge",
            limits=judge_limits,
            environment=self.job.environment,
            fences=Fences(readable=results, writable=inputs),
        )
        with judge:
            init = self._from_judge(judge)
            # Born before the first secret is drawn: nothing that it could find in its memory tells the inputs.
            candidate = Child(
                runner_task(replace(self.trial, source=""), self.job.load),
                folder=self.job.folder / "candidate",
                limits=Limits(
                    limit_s,
                    memory_bytes=self.job.memory_bytes,
                    processes=max(256, 8 * (os.cpu_count() or 1)),
                    file_bytes=TENSOR_FILE_BYTES,
                ),
                environment=self.job.environment,
                fences=Fences(readable=(*inputs, *self.job.libraries), writable=results),
            )
            with candidate:
                try:
                    return self._judge_candidate(judge, candidate, init)
                except _Forged as forged:
                    return Rejected("forged-reply", str(forged))

    def _judge_candidate(self, judge: Child, candidate: Child, init: dict[str, Json]) -> Outcome:
        self._expect(self._from_candidate(candidate), "imported")
        self.phase = "construct"
        candidate.answer({"do": "start", "init": init["init"]})
        failed = self._heed(self._expect(self._from_candidate(candidate), "constructed"))
        if failed is not None:
            return failed
        self.phase = "forward"
        worst_abs = worst_rel = 0.0
        for number in range(self.job.settings.trials):
            self.report(f"trial {number + 1} of {self.job.settings.trials}")
            found = self._trial(judge, candidate, number)
            self.trials_run = number + 1
            if not isinstance(found, tuple):
                return found
            worst_abs, worst_rel = max(worst_abs, found[0]), max(worst_rel, found[1])
        timing: Timing | None = None
        if self.job.settings.timing_trials > 0 and self.job.device.kind != "cpu":
            self.phase = "time"
            candidate.extend(self.job.settings.execute_timeout_ms / 1000)
            timed = self._time(judge, candidate)
            if not isinstance(timed, Timing):
                return timed
            timing = timed
        return self._replay_without_kernels(judge, candidate) or Correct(timing, worst_abs, worst_rel)

    # --- correctness -------------------------------------------------------------------------------------------------

    def _trial(
        self, judge: Child, candidate: Child, number: int
    ) -> tuple[float, float] | Mismatch | Rejected | RuntimeFailure:
        """One set of inputs. Run twice over memory full of different patterns, the threads in another order where the
        device can choose: both must be right."""
        made = self._make_set(judge, candidate)
        lenient = self.job.settings.compat == "kernelbench"
        verdicts: list[dict[str, Json]] = []
        reply: dict[str, Json] = {}
        first_run = self.runs
        for poison in POISONS[:1] if lenient else POISONS:
            reply = self._run(candidate, made, poison)
            failed = self._heed(reply)
            if failed is not None:
                return failed
            if isinstance(reply.get("lazy"), str):
                return Rejected("lazy-tensor", f"forward returned a {reply['lazy']}, which can put its work off")
            if reply.get("mutated") and not made["mutates"] and not lenient:
                return Mismatch("input-mutated", f"forward changed its inputs {reply['mutated']}", number)
            verdicts.append(self._check(judge, candidate, made))
        wrong = [one for one in verdicts if one["how"] is not None]
        if wrong and len(wrong) < len(verdicts):
            told = ""
            if self.job.device.kind == "cpu":
                orders = [ORDERS[(first_run + place) % len(ORDERS)] for place in range(len(verdicts))]
                told = f" (their threads in {' and '.join(orders)} order)"
            message = f"right in one of two runs on the same inputs{told}, wrong in the other: {wrong[0]['message']}"
            return Mismatch(
                "nondeterministic", message, number, _number(wrong[0]["maxAbs"]), _number(wrong[0]["maxRel"])
            )
        if wrong:
            return _mismatch(wrong[0], number)
        if number == 0 and not lenient:
            rejected = self._count_launches(candidate, made, reply)
            if rejected is not None:
                return rejected
        return (
            max(_number(one["maxAbs"]) or 0.0 for one in verdicts),
            max(_number(one["maxRel"]) or 0.0 for one in verdicts),
        )

    def _run(self, candidate: Child, made: dict[str, Json], poison: int) -> dict[str, Json]:
        order = ORDERS[self.runs % len(ORDERS)]
        self.runs += 1
        seed = int.from_bytes(os.urandom(7), "little")
        began = time.monotonic()
        how: dict[str, Json] = {"do": "run", "poison": poison, "order": order, "orderSeed": seed}
        reply = self._command(candidate, how | self._io(made))
        self.slowest_run_s = max(self.slowest_run_s, time.monotonic() - began)
        return reply

    def _heed(self, reply: dict[str, Json]) -> RuntimeFailure | None:
        """What the device itself says of a run, whatever the candidate made of it.

        Raises InstrumentError `unsupported` where the device could not do what was asked.
        """
        said = reply.get("unsupported")
        if isinstance(said, str):
            raise unsupported(said)
        self.notes.extend(str(lint) for lint in _list(reply.get("lints")))
        fault = reply.get("fault")
        return RuntimeFailure(self._run_phase(), CudaFault.__name__, fault) if isinstance(fault, str) else None

    def _replay_without_kernels(self, judge: Child, candidate: Child) -> Rejected | None:
        """A right answer to new inputs with every launch left out: the kernels are there for show.

        How a replay fails says nothing: a candidate may need its kernels to come to an end at all.
        """
        if self.job.device.kind != "cpu" or self.job.settings.compat == "kernelbench":
            return None  # a GPU leaves no launch out
        made = self._make_set(judge, candidate)
        limit_s = math.ceil(REPLAY_SHARE * self.slowest_run_s) + 1
        candidate.extend(limit_s)
        how: dict[str, Json] = {"do": "run", "poison": POISONS[0], "skipLaunches": True, "limitS": limit_s}
        try:
            self._command(candidate, how | self._io(made))
        except _Ended:
            return None
        if self._check(judge, candidate, made)["how"] is not None:
            return None
        names = ", ".join(one.name for one in (self.launches or ())[:5])
        return Rejected("decoy-kernel", f"the answer is right also when none of the kernels launched runs: {names}")

    def _count_launches(self, candidate: Child, made: dict[str, Json], run: dict[str, Json]) -> Rejected | None:
        """A kernel that never ran is no kernel, however right the answer. `run`: the reply to the run before."""
        reply = run if "launches" in run else self._command(candidate, {"do": "profile", **self._io(made)})
        listed = reply.get("launches")
        if not isinstance(listed, list):
            self.notes.append("kernel launches are not counted on this device: whether the kernel ran is unknown")
            return None
        launches = []
        for one in listed:
            name = one.get("name") if isinstance(one, dict) else None
            count = one.get("count") if isinstance(one, dict) else None
            if not isinstance(name, str) or not isinstance(count, int):
                raise _Forged("a list of launches in another form")
            launches.append(Launch(name, count, self.job.is_own_kernel(name)))
        self.launches = tuple(launches)
        if any(one.own for one in launches):
            return None
        others = ", ".join(one.name for one in launches[:5]) or "none at all"
        return Rejected("no-kernel-launched", f"forward launched no kernel of the candidate's own; launched: {others}")

    # --- time --------------------------------------------------------------------------------------------------------

    def _time(self, judge: Child, candidate: Child) -> Timing | Mismatch | Rejected:
        """Interleaved with the reference on the same device; some timed calls, chosen in secret, are checked."""
        sets = [self._make_set(judge, candidate) for _ in range(TIMING_SETS)]
        random = Random(os.urandom(16))
        rounds = self.job.settings.timing_trials
        checked = set(random.sample(range(rounds), min(CHECKED_TIMINGS, rounds)))
        flush: list[Json] = []
        stopped: list[Mismatch | Rejected] = []
        turns = iter(range(-3, rounds))

        def candidate_call(chosen: int) -> tuple[float, float]:
            made = sets[chosen]
            turn = next(turns)
            began = time.perf_counter()
            reply = self._command(candidate, {"do": "time", **self._io(made)})
            outside_ms = (time.perf_counter() - began) * 1000
            duration_ms = _number(reply.get("durationMs"))
            if isinstance(reply.get("lazy"), str):
                stopped.append(Rejected("lazy-tensor", f"a timed call returned a {reply['lazy']}"))
            elif duration_ms is None or not 0 < duration_ms <= outside_ms:
                stopped.append(
                    Rejected("forged-clock", f"{duration_ms} ms within {outside_ms} ms by the outside clock")
                )
            elif turn in checked:
                self._command(candidate, {"do": "keep", **self._io(made)})
                found = self._check(judge, candidate, made)
                if found["how"] is not None:
                    stopped.append(_mismatch(found, self.trials_run))
            if stopped or duration_ms is None:
                raise _Stopped
            return duration_ms, outside_ms

        def reference_call(chosen: int) -> float:
            reply = self._ask_judge(judge, candidate, {"do": "time", "set": sets[chosen]["number"]})
            flush[:] = [reply["flushBytes"]]
            return _number(reply["durationMs"]) or math.nan

        self.report("timing")
        try:
            samples = interleave(candidate_call, reference_call, rounds=rounds, sets=TIMING_SETS, random=random)
        except _Stopped:
            return stopped[0]
        moved = sum(one for one in [sets[0]["inputBytes"], *_list(sets[0]["outputBytes"])] if isinstance(one, int))
        kind = "cuda-events" if self.job.device.kind == "cuda" else "wall"
        clock: dict[str, Json] = {"kind": kind, "l2FlushBytes": flush[0], "warmUp": 3, "movedBytes": moved}
        return summarise(samples, clock)

    # --- the two conversations ---------------------------------------------------------------------------------------

    def _make_set(self, judge: Child, candidate: Child) -> dict[str, Json]:
        number = self.sets_made
        self.sets_made += 1
        seed = int.from_bytes(os.urandom(7), "little")
        made = self._ask_judge(judge, candidate, {"do": "set", "set": number, "seed": seed})
        self.notes.extend(str(note) for note in _list(made["notes"]))
        return made | {"number": number}

    def _io(self, made: dict[str, Json]) -> dict[str, Json]:
        file = Path(str(made["file"]))
        return {
            "inputs": str(file),
            "outputs": str(_outputs(file)),
            "outputBytes": made["outputBytes"],
            "mode": made["mode"],
        }

    def _check(self, judge: Child, candidate: Child, made: dict[str, Json]) -> dict[str, Json]:
        file = _outputs(Path(str(made["file"])))
        expected = sum(one for one in _list(made["outputBytes"]) if isinstance(one, int))
        limit = 8 * expected + OUTPUT_SLACK_BYTES  # a wrong dtype may be eight times as wide
        command: dict[str, Json] = {"do": "check", "set": made["number"], "file": str(file), "maxBytes": limit}
        verdict = self._ask_judge(judge, candidate, command)
        remove(file)
        return verdict

    def _ask_judge(self, judge: Child, candidate: Child, command: dict[str, Json]) -> dict[str, Json]:
        began = time.monotonic()
        judge.answer(command)
        reply = self._from_judge(judge)
        candidate.extend(time.monotonic() - began)
        return reply

    def _from_judge(self, judge: Child) -> dict[str, Json]:
        request = judge.receive(self.stop)
        if request is not None and isinstance(request.body, dict):
            return request.body
        end = judge.end()
        if end.kind == "timeout":
            raise InstrumentError("problem-broken", "the reference takes too long on this device", retry=False)
        if end.kind == "signalled" and end.signal == signal.SIGKILL:
            raise InstrumentError("out-of-memory", "the reference's process was killed: out of memory?", retry=True)
        raise judge_failure(end.error_type, end.error or f"its process ended ({end.kind}) {end.stderr[-1000:]}")

    def _command(self, candidate: Child, command: dict[str, Json]) -> dict[str, Json]:
        candidate.answer(command)
        return self._expect(self._from_candidate(candidate), "done")

    def _from_candidate(self, candidate: Child) -> dict[str, Json]:
        while True:
            request = candidate.receive(self.stop)
            if request is None:
                raise _Ended(candidate.end())
            if isinstance(request.body, dict) and isinstance(request.body.get("step"), str):
                return request.body
            candidate.answer(self.job.serve_load(request.body))

    def _expect(self, said: dict[str, Json], step: str) -> dict[str, Json]:
        if said["step"] != step:
            raise _Forged(f"the candidate's process said {str(said['step'])[:100]!r} where {step!r} was due")
        return said

    # --- how it ended ------------------------------------------------------------------------------------------------

    def blame(self, end: ChildEnd) -> Outcome:
        """Whose fault an early end is. Raises InstrumentError where it is the machine's."""
        if end.kind == "timeout":
            self._probe_device()
            return Timeout("load" if self.phase == "import" else self.phase, self.job.settings.execute_timeout_ms)
        message = end.error or ""
        if self.job.device.kind == "cpu":
            if end.error_type == Unsupported.__name__:
                raise unsupported(message)
            if end.error_type == InstrumentError.__name__:
                raise InstrumentError("internal", message, retry=False)
            if end.error_type == CudaFault.__name__:
                return RuntimeFailure(self._run_phase(), CudaFault.__name__, message)
        code = "out-of-memory" if end.error_type == "OutOfMemoryError" else classify(message)
        if code is not None:
            raise InstrumentError(code, message, retry=code != "no-kernel-image")
        self._probe_device()
        phase = self._run_phase()
        if end.kind == "raised":
            trace = f"\n{end.traceback}" if end.traceback else ""
            return RuntimeFailure(phase, end.error_type or "Exception", (message + trace).strip())
        if end.kind == "signalled" and end.signal is not None:
            name = signal.Signals(end.signal).name
            return RuntimeFailure(phase, name, f"the process was killed by {name}\n{end.stderr[-4000:]}".strip())
        said = f"the process left with exit status {end.exit_code} in the middle of its work\n{end.stderr[-4000:]}"
        return RuntimeFailure(phase, "SystemExit", said.strip())

    def _run_phase(self) -> Literal["import", "construct", "forward"]:
        return "forward" if self.phase == "time" else self.phase

    def _probe_device(self) -> None:
        if self.job.device.kind == "cuda":
            check_health(self.job.device.torch_name(), self.job.environment, self.stop)


class _Stopped(Exception):
    """The timing ended early; the reason is kept beside it."""


@contextmanager
def _exchange(folder: Path) -> Iterator[tuple[Path, ...]]:
    """Folders for tensor files: in shared memory where there is some, and in the job's own folder."""
    places = [folder / "exchange"]
    places[0].mkdir(parents=True, exist_ok=True)
    if os.access(SHARED_MEMORY, os.W_OK):
        places.insert(0, Path(tempfile.mkdtemp(prefix="kval-", dir=SHARED_MEMORY)))
    for place in places:
        for part in ("in", "out"):
            (place / part).mkdir()
    try:
        yield tuple(places)
    finally:
        for place in places:
            remove(place)


def _outputs(inputs: Path) -> Path:
    return inputs.parent.with_name("out") / "outputs"


def _mismatch(verdict: dict[str, Json], trial: int) -> Mismatch:
    how = verdict["how"]
    assert how == "shape" or how == "dtype" or how == "values" or how == "non-finite"
    message = str(verdict["message"])
    return Mismatch(_HOW[how], message, trial, _number(verdict["maxAbs"]), _number(verdict["maxRel"]))


_HOW: dict[str, Literal["shape", "dtype", "values", "non-finite"]] = {
    "shape": "shape",
    "dtype": "dtype",
    "values": "values",
    "non-finite": "non-finite",
}


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []

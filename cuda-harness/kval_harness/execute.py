"""Runs a built candidate against its problem: two processes that meet only here, and a verdict from neither's word.

The judge's process makes inputs and compares outputs; the candidate's process computes. This process starts both,
carries commands between them, keeps the deadlines and the outside clock, and turns what happened into an outcome.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Literal

from kval_harness.compare import Agreement, Difference, compare_runs
from kval_harness.contain import Channel, Child, ChildEnd, Fences, Json, Limits, StopSignal, remove
from kval_harness.conversation import (
    Conversation,
    Ended,
    InputSet,
    Settled,
    hear_judge,
    mismatch,
    refuse_lazy,
    secret_seed,
)
from kval_harness.devices import check_health, classify
from kval_harness.judge import Trial, judge_task
from kval_harness.kernelbench import SEED, trial_seeds
from kval_harness.launches import ORDERS, CudaFault, Order, Unsupported
from kval_harness.measure import Gpu, measure, measure_as_kernelbench
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
from kval_harness.translations import unsupported
from kval_harness.turns import Turn, turn_on
from kval_harness.usage import available_memory
from kval_harness.vary import KINDS, VARIANT_SLACK

SHARED_MEMORY = Path("/dev/shm")
JUDGE_SHARE = 10  # the reference, in two precisions and on several sets, may take this many candidate limits
JUDGE_EXTRA_S = 120.0
TENSOR_FILE_BYTES = 64 * 1024**3
SLOW_SHARE = 4  # beyond the trials, a run may take so many times as long as the slowest before, and no longer
VARIANTS_IN_SOFTWARE = 2
DECOY_SHARE = 1e-3  # of the elements: what kernels may add to an answer and still be there for show
FAIR_MEMORY_BYTES = 32 * 1024**3  # of the host: whoever takes more has only itself to blame
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
    `threads`: how many a device on the CPU may use. `gpu`: the UUID of the GPU, on which others may be at work."""

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
    gpu: str | None = None


def execute(
    job: Job, *, stop: StopSignal | None = None, report: Callable[[str], None] = lambda _: None
) -> tuple[Outcome, Execution]:
    """Judges one candidate on one device: correctness over fresh secret seeds and on other inputs of the same kind,
    then time if it is correct.

    On `cpu` there is no time to measure; there the threads of each run go in another order, and a right answer must
    not be right without the candidate's kernels. Under `compat` "kernelbench" its own seeds, rule and times hold.
    Others may compute on a GPU meanwhile, except while it times; the wait for that turn is no part of any limit.

    Raises InstrumentError where the machine or the problem failed, Interrupted when `stop` says so.
    """
    began = time.monotonic()
    with turn_on(job.gpu, stop) if job.gpu else nullcontext() as turn, _exchange(job.folder) as exchange:
        trial = Trial(
            source=job.source,
            small=job.small,
            device=job.device,
            precision=job.settings.precision,
            compat=job.settings.compat,
            weight_seed=SEED if job.settings.compat == "kernelbench" else secret_seed(),
            exchange=tuple(place / "in" for place in exchange),
            threads=job.threads,
        )
        session = _Session(job, trial, stop, report, turn)
        try:
            outcome = session.run()
        except Ended as ended:
            outcome = session.blame(ended.end)
    duration_ms = (time.monotonic() - began) * 1000
    return outcome, Execution(duration_ms, session.trials_run, session.launches, tuple(dict.fromkeys(session.notes)))


@dataclass
class _Session:
    job: Job
    trial: Trial
    stop: StopSignal | None
    report: Callable[[str], None]
    turn: Turn | None
    phase: Phase = "import"
    trials_run: int = 0
    launches: tuple[Launch, ...] | None = None
    notes: list[str] = field(default_factory=list)
    runs: int = 0
    slowest_run_s: float = 0.0

    def __post_init__(self) -> None:
        self.lenient = self.job.settings.compat == "kernelbench"
        self.in_software = self.job.device.kind == "cpu"

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
            facts = hear_judge(judge, self.stop)
            # Born before the first secret is drawn: nothing that it could find in its memory tells the inputs.
            candidate = Child(
                runner_task(replace(self.trial, source=""), self.job.load),
                folder=self.job.folder / "candidate",
                limits=Limits(
                    limit_s,
                    memory_bytes=self.job.memory_bytes,
                    processes=max(256, 8 * (os.cpu_count() or 1)),
                    file_bytes=TENSOR_FILE_BYTES,
                    disk_bytes=_room(self.trial.exchange),
                ),
                environment=self.job.environment,
                fences=Fences(readable=(*inputs, *self.job.libraries), writable=results),
            )
            with candidate:
                try:
                    talk = Conversation(judge, candidate, self.job.serve_load, self.stop, self.notes)
                    return self._judge_candidate(talk, facts)
                except Settled as settled:
                    return settled.outcome

    def _judge_candidate(self, talk: Conversation, facts: dict[str, Json]) -> Correct:
        """Raises Settled with any other verdict, Ended where the candidate leaves before there is one."""
        settings = self.job.settings
        talk.expect("imported")
        self.phase = "construct"
        talk.candidate.answer({"do": "start", "init": facts["init"]})
        self._heed(talk.expect("constructed"))
        self.phase = "forward"
        worst_abs = worst_rel = 0.0
        for number, seed in enumerate(trial_seeds(settings.trials) if self.lenient else [None] * settings.trials):
            self.report(f"trial {number + 1} of {settings.trials}")
            self.trials_run = number + 1
            found = self._trial(talk, number, seed)
            worst_abs, worst_rel = max(worst_abs, found.max_abs_error), max(worst_rel, found.max_rel_error)
        if not self.lenient:
            self._try_variants(talk)
        timing: Timing | None = None
        if settings.timing_trials > 0 and not self.in_software:
            self.phase = "time"
            if self.turn is not None:
                self.report("waiting for the GPU alone")
                self.turn.alone()
            self.report("timing")
            talk.candidate.extend(settings.execute_timeout_ms / 1000)
            gpu = _gpu(facts)
            if self.lenient:
                timing = measure_as_kernelbench(talk, settings.timing_trials, gpu)
            else:
                timing = measure(talk, settings.timing_trials, self.trials_run, gpu)
                _refuse_processes(talk)
        if self.in_software and not self.lenient:  # a GPU leaves no launch out
            self._replay_without_kernels(talk)
        return Correct(timing, worst_abs, worst_rel)

    # --- correctness -------------------------------------------------------------------------------------------------

    def _trial(self, talk: Conversation, number: int, seed: int | None) -> Agreement:
        """One set of inputs. Run twice over memory full of different patterns, the threads in another order where the
        device can choose: both must be right."""
        made = talk.make_set(seed)
        found: list[Difference | Agreement] = []
        reply: dict[str, Json] = {}
        first_run = self.runs
        for poison in POISONS[:1] if self.lenient else POISONS:
            reply = self._run(talk, made, poison, number)
            found.append(talk.check(made))
        together = compare_runs(found)
        if number == 0 and "launches" in reply:
            self._note_launches(reply)
        if isinstance(together, Difference):
            message = together.message
            if together.how == "nondeterministic" and self.in_software:
                self._look_for_races(talk, made, number)
                orders = [ORDERS[(first_run + place) % len(ORDERS)] for place in range(len(found))]
                message += f" (their threads in {' and '.join(orders)} order)"
            raise mismatch(together, number, message)
        if number == 0 and not self.lenient:
            self._count_launches(talk, made, reply)
            if isinstance(reply.get("library"), str):
                evidence = f"torch's {str(reply['library'])[:200]} makes the answer on its own; launched for show: "
                raise Settled(Rejected("decoy-kernel", evidence + self._launched()))
        return together

    def _look_for_races(self, talk: Conversation, made: InputSet, number: int) -> None:
        """One run more in the order in which the device says which accesses race; what comes of it decides nothing."""
        talk.candidate.extend(self._patience_s())
        with suppress(Ended, Settled):
            self._run(talk, made, POISONS[0], number, "random")

    def _try_variants(self, talk: Conversation) -> None:
        """One run on each of several other distributions of the inputs: one alone hides errors."""
        some = Random(os.urandom(16)).sample(KINDS, VARIANTS_IN_SOFTWARE)
        for kind in some if self.in_software else KINDS:
            self.report(f"{kind} inputs")
            made = talk.make_variant(kind)
            if made is None:
                continue
            talk.candidate.extend(self._patience_s())
            self._run(talk, made, POISONS[0], self.trials_run)
            found = talk.check(made, VARIANT_SLACK)
            if isinstance(found, Difference):
                raise mismatch(found, self.trials_run, f"on {kind} inputs: {found.message}")

    def _run(
        self, talk: Conversation, made: InputSet, poison: int, trial: int, order: Order | None = None
    ) -> dict[str, Json]:
        order = order or ORDERS[self.runs % len(ORDERS)]
        self.runs += 1
        began = time.monotonic()
        how: dict[str, Json] = {"do": "run", "poison": poison, "order": order, "orderSeed": secret_seed()}
        reply = talk.command(how | made.to_json())
        self.slowest_run_s = max(self.slowest_run_s, time.monotonic() - began)
        self._heed(reply)
        refuse_lazy(reply)
        if reply.get("mutated") and not made.mutates and not self.lenient:
            raise Settled(Mismatch("input-mutated", f"forward changed its inputs {reply['mutated']}", trial))
        if not self.lenient:
            _refuse_processes(talk)
        return reply

    def _heed(self, reply: dict[str, Json]) -> None:
        """What the device itself says of a run, whatever the candidate made of it.

        Raises Settled for a fault, InstrumentError `unsupported` where the device could not do what was asked.
        """
        said = reply.get("unsupported")
        if isinstance(said, str):
            raise unsupported(said)
        lints = reply.get("lints")
        self.notes.extend(str(lint) for lint in (lints if isinstance(lints, list) else []))
        fault = reply.get("fault")
        if isinstance(fault, str):
            raise Settled(RuntimeFailure(self._run_phase(), CudaFault.__name__, fault))

    def _replay_without_kernels(self, talk: Conversation) -> None:
        """A right answer to new inputs with every launch left out: the kernels are there for show.

        How a replay fails says nothing: a candidate may need its kernels to come to an end at all.
        """
        made = talk.make_set()
        limit_s = self._patience_s()
        talk.candidate.extend(limit_s)
        how: dict[str, Json] = {"do": "run", "poison": POISONS[0], "skipLaunches": True, "limitS": limit_s}
        try:
            talk.command(how | made.to_json())
        except Ended:
            return
        found = talk.check(made)
        if isinstance(found, Agreement) or _is_nearly_right(found):
            right = "the answer is" if isinstance(found, Agreement) else "nearly all of the answer is"
            evidence = f"{right} right also when none of the kernels launched runs: {self._launched()}"
            raise Settled(Rejected("decoy-kernel", evidence))

    def _count_launches(self, talk: Conversation, made: InputSet, run: dict[str, Json]) -> None:
        """A kernel that never ran is no kernel, however right the answer. `run`: the reply to the run before."""
        reply = run if "launches" in run else talk.command({"do": "profile", **made.to_json()})
        launches = self._note_launches(reply)
        if launches is None:
            self.notes.append("kernel launches are not counted on this device: whether the kernel ran is unknown")
            return
        if not any(one.own for one in launches):
            others = ", ".join(one.name for one in launches[:5]) or "none at all"
            evidence = f"forward launched no kernel of the candidate's own; launched: {others}"
            raise Settled(Rejected("no-kernel-launched", evidence))

    def _note_launches(self, reply: dict[str, Json]) -> tuple[Launch, ...] | None:
        """What the candidate's process says it launched; None where nobody can count it."""
        listed = reply.get("launches")
        if not isinstance(listed, list):
            return None
        launches = []
        for one in listed:
            name = one.get("name") if isinstance(one, dict) else None
            count = one.get("count") if isinstance(one, dict) else None
            if not isinstance(name, str) or not isinstance(count, int):
                raise Settled(Rejected("forged-reply", "a list of launches in another form"))
            launches.append(Launch(name, count, self.job.is_own_kernel(name)))
        self.launches = tuple(launches)
        return self.launches

    def _launched(self) -> str:
        return ", ".join(one.name for one in (self.launches or ())[:5])

    def _patience_s(self) -> int:
        return math.ceil(SLOW_SHARE * self.slowest_run_s) + 1

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
        short = (self.job.memory_bytes or FAIR_MEMORY_BYTES) < FAIR_MEMORY_BYTES
        if end.excess is not None:
            if short and end.excess.startswith("memory"):
                raise InstrumentError("out-of-memory", f"this machine has too little for {end.excess}", retry=False)
            return RuntimeFailure(self._run_phase(), "ResourceExhausted", end.excess)
        full = end.error_type == "OutOfMemoryError" or (short and end.error_type == "MemoryError")
        code = "out-of-memory" if full else classify(message)
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


def _room(places: tuple[Path, ...]) -> int:
    """Half of the bytes that the fuller of these file systems has left, one in memory being as full as the memory."""
    return min(*(shutil.disk_usage(place).free for place in places), available_memory()) // 2


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


def _refuse_processes(talk: Conversation) -> None:
    """Raises Settled where the candidate has processes of its own beside its answer."""
    others = talk.candidate.others()
    fences = len(talk.judge.others())  # what holds the two apart has processes too, as many on either side
    if len(others) > fences:
        evidence = f"after forward, processes of its own still run: {', '.join(others[fences:][:5])}"
        raise Settled(Rejected("background-work", evidence[:500]))


def _is_nearly_right(found: Difference) -> bool:
    """All but a few elements of the one output are right, and these few are not all there is: a sparse answer is nearly
    right where it is all zeros."""
    counted = re.match(r"(\d+) of (\d+) elements", found.message)
    sparse = found.norm_error is None or found.norm_error > 0.5
    return counted is not None and not sparse and int(counted[1]) <= DECOY_SHARE * int(counted[2])


def _gpu(facts: dict[str, Json]) -> Gpu | None:
    """The GPU that the judge sees, if it computes on one."""
    about = facts["gpu"]
    if not isinstance(about, dict):
        return None
    bandwidth = about["bandwidth"]
    return Gpu(
        uuid=str(about["uuid"]),
        bandwidth=float(bandwidth) if isinstance(bandwidth, (int, float)) else None,
        l2_bytes=int(str(about["l2Bytes"])),
    )

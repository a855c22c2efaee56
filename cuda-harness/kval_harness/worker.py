"""The worker: says hello, answers one request at a time, and never lets a candidate's trouble become its own."""

from __future__ import annotations

import errno
import os
import platform
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from kval_harness import __version__
from kval_harness.admission import check_problem
from kval_harness.build import toolchain
from kval_harness.contain import (
    Channel,
    Fences,
    Interrupted,
    Json,
    Limits,
    SandboxMissing,
    Starved,
    Unkillable,
    isolation,
    run_child,
)
from kval_harness.devices import CPU_ENVIRONMENT, Device, classify, cpu_device, find_devices, visible
from kval_harness.outcome import InstrumentError
from kval_harness.problem import broken, problem_report
from kval_harness.protocol import (
    PROTOCOL,
    DeviceKind,
    Fields,
    Request,
    Wire,
    check_params,
    problem_params,
    read_request,
    request_id,
)
from kval_harness.sandbox import lacking
from kval_harness.stages import Stages

READ_PROBLEM_S = 120.0
CHECK_PROBLEM_S = 1800.0
PROBLEM_MEMORY_BYTES = 16 * 1024**3


@dataclass
class Worker:
    """`cpu_threads`: this process has CUDA in software in the place of any GPU, and one job may use so many threads.
    `host_device`: also execute without any CUDA, which measures nothing that a label may say; for the tests."""

    wire: Wire
    cpu_threads: int | None = None
    host_device: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    devices: tuple[Device, ...] = ()
    _current: str | None = None
    _cancelled: bool = False
    _terminated: bool = False

    def serve(self) -> None:
        """Answers requests until the input ends."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to whoever started us, and they tell us
        signal.signal(signal.SIGTERM, self._terminate)
        self.environment = visible(dict(os.environ)) if self.cpu_threads is None else dict(CPU_ENVIRONMENT)
        with suppress(BrokenPipeError):
            self.devices = find_devices(self.environment) if self.cpu_threads is None else (cpu_device(),)
            self.wire.send(hello(self.devices))
            while not self._terminated:
                line = self.wire.receive()
                if line is None:
                    return
                self._answer(line)

    def _answer(self, line: bytes) -> None:
        """Exactly one result or error for each line that has an id."""
        identity = request_id(line)
        self._current, self._cancelled = identity, False
        try:
            request = read_request(line)
            self.wire.send({"type": "result", "id": request.id, "result": self._result(request)})
        except Exception as error:  # the last place where it can be told to anybody
            failure = instrument_error(error)
            self.wire.send({"type": "error", "id": identity or "", "error": failure.to_json()})
        finally:
            self._current = None

    def _result(self, request: Request) -> dict[str, Json]:
        def progress(stage: str, message: str) -> None:
            self.wire.send({"type": "progress", "id": request.id, "stage": stage, "message": message})

        stages = Stages(self.environment, self.stop, progress, self.cpu_threads, self.devices)
        kinds: tuple[DeviceKind, ...] = ("cuda",) if self.cpu_threads is None else ("cpu",)
        kinds += ("host",) if self.host_device else ()
        methods: dict[str, Callable[[Fields], dict[str, Json]]] = {
            "build": stages.build,
            "execute": lambda params: stages.execute(params, kinds),
            "problem": self._problem,
            "check-problem": self._check_problem,
            "cache": stages.cache,
            "clear-cache": stages.clear_cache,
            "cancel": lambda _: {"cancelled": False},  # nothing runs while a line is read here
        }
        chosen = methods.get(request.method)
        if chosen is None:
            known = ", ".join(methods)
            raise InstrumentError("bad-request", f"method {request.method!r} is not one of {known}", retry=False)
        return chosen(request.params)

    def stop(self) -> bool:
        """Whether the running request should end: cancelled, the input at its end, or SIGTERM."""
        for line in self.wire.waiting():
            with suppress(InstrumentError):
                request = read_request(line)
                if request.method == "cancel":
                    self.wire.drop(line)
                    hit = self._cancel(request.params.text("target"))
                    self.wire.send({"type": "result", "id": request.id, "result": {"cancelled": hit}})
        return self._cancelled or self.wire.ended or self._terminated

    def _cancel(self, target: str) -> bool:
        if target == self._current:
            self._cancelled = True
            return True
        for line in self.wire.waiting():
            if request_id(line) == target:
                self.wire.drop(line)
                failure = InstrumentError("interrupted", "cancelled before it began", retry=True)
                self.wire.send({"type": "error", "id": target, "error": failure.to_json()})
                return True
        return False

    def _problem(self, params: Fields) -> dict[str, Json]:
        source = problem_params(params).source
        return self._contained(lambda _: problem_report(source), READ_PROBLEM_S)

    def _check_problem(self, params: Fields) -> dict[str, Json]:
        asked = check_params(params)

        def task(_: Channel) -> Json:
            return check_problem(asked.problem.source, small=asked.problem.small, tolerance=asked.tolerance)

        return self._contained(task, CHECK_PROBLEM_S)

    def _contained(self, task: Callable[[Channel], Json], wall_s: float) -> dict[str, Json]:
        """Runs a problem's code in a child. Its failure is the problem's."""
        limits = Limits(wall_s, memory_bytes=PROBLEM_MEMORY_BYTES)
        with _scratch() as folder:
            end = run_child(
                task, folder=folder, limits=limits, environment=self.environment, fences=Fences(), stop=self.stop
            )
        if end.kind == "returned" and isinstance(end.value, dict):
            return end.value
        if end.kind == "timeout":
            raise broken(f"the problem took longer than {wall_s:.0f} s")
        if end.error_type == "MemoryError" or classify(end.error or "") == "out-of-memory":
            raise InstrumentError(
                "out-of-memory", f"the problem needs more memory than there is: {end.error}", retry=True
            )
        said = end.error or end.stderr or f"its process ended: {end.kind} {end.signal or end.exit_code or ''}"
        raise broken(said.strip())

    def _terminate(self, *_: object) -> None:
        if self._current is None:
            raise SystemExit(0)  # waiting for a line: nothing to clean up
        self._terminated = True


def hello(devices: tuple[Device, ...]) -> dict[str, Json]:
    """The first line: who speaks, with which tools, on which devices, behind which fences."""
    tools = toolchain.describe()
    sandbox: dict[str, Json] = {**isolation()}
    sandbox["lacking"] = "; ".join(f"{name} ({how})" for name, how in lacking().items()) or None
    return {
        "type": "hello",
        "protocol": PROTOCOL,
        "harness": __version__,
        "python": platform.python_version(),
        "torch": tools["torch"],
        "torchCuda": tools["torchCuda"],
        "nvcc": tools["nvcc"],
        "nvccPath": tools["nvccPath"],
        "gxx": tools["gxx"],
        "devices": [device.to_json() for device in devices],
        "sandbox": sandbox,
    }


def instrument_error(error: Exception) -> InstrumentError:
    """Any exception as the protocol's error: what the harness can name, and `internal` with a trace for the rest."""
    if isinstance(error, InstrumentError):
        return error
    if isinstance(error, Interrupted):
        return InstrumentError("interrupted", "stopped before it had a verdict", retry=True)
    if isinstance(error, SandboxMissing):
        return InstrumentError("internal", str(error), retry=False)
    if isinstance(error, Starved):
        return InstrumentError("overloaded", f"{error}; other work has the machine", retry=True)
    if isinstance(error, Unkillable):
        return InstrumentError("device-lost", f"{error}; the device's driver hangs", retry=True)
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in (errno.ENOMEM, errno.EAGAIN)):
        return InstrumentError("out-of-memory", f"the worker itself: {error}; run fewer workers", retry=True)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = f" at {error.filename}" if error.filename else ""
        return InstrumentError("disk-full", f"no space left{place}; make room and run again", retry=True)
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__, limit=-8))
    return InstrumentError("internal", trace, retry=True)


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kval-worker-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)

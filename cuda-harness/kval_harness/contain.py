"""One task in a forked child that nothing survives: bounded, cut off from the rest, killed with everything it started.

`run_child` forks the (single-threaded) caller, so a child with torch imported starts in milliseconds. The child gets a
session of its own, a scrubbed environment, its own folder, resource limits, the fences of `sandbox.py` and no
descriptor but one socket to its parent; it leaves by `os._exit` and is killed at its deadline. What it says about
itself comes back as a `ChildEnd`, which is an account and never a verdict.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kval_harness.forked import CHANNEL_DESCRIPTOR, Birth, Limits, forget_output, live
from kval_harness.line import Channel, Inbox, Json, framed
from kval_harness.sandbox import Fences, Sandbox, SandboxMissing, isolation, require
from kval_harness.usage import children, descendants, remove, starved

__all__ = [
    "CHANNEL_DESCRIPTOR",
    "Channel",
    "Child",
    "ChildEnd",
    "Fences",
    "Interrupted",
    "Json",
    "Limits",
    "Request",
    "Sandbox",
    "SandboxMissing",
    "Starved",
    "StopSignal",
    "Unkillable",
    "isolation",
    "remove",
    "run_child",
]

StopSignal = Callable[[], bool]  # asked every TICK_S; true means: end this job now

TAIL_BYTES = 16 * 1024
REPORT_BYTES = 64 * 1024
TICK_S = 0.05
ANSWER_S = 10.0
REAP_S = 30.0
PR_SET_CHILD_SUBREAPER = 36


class Interrupted(Exception):
    """The job was stopped from outside; it has no verdict."""


class Unkillable(Exception):
    """A killed process would not end: it hangs inside a driver, and the device with it."""


class Starved(Exception):
    """A child ran out of time, most of which it waited for a processor: that says nothing about it."""


@dataclass(frozen=True)
class ChildEnd:
    """How the child ended. `value`, `error` and the output tails are the child's own words.

    `excess` is ours: the child was killed (`kind` "signalled", SIGKILL) because all its processes together went beyond
    a limit, and this says which.
    """

    kind: Literal["returned", "raised", "exited", "signalled", "timeout"]
    value: Json
    error_type: str | None
    error: str | None
    traceback: str | None
    exit_code: int | None
    signal: int | None
    stdout: str
    stderr: str
    duration_ms: float
    excess: str | None = None


def run_child(
    task: Callable[[Channel], Json],
    *,
    folder: Path,
    limits: Limits,
    serve: Callable[[Json], Json] | None = None,
    clock_stops_while_serving: bool = False,
    environment: Mapping[str, str] | None = None,
    fences: Fences | None = None,
    sandbox: Sandbox = "best-effort",
    stop: StopSignal | None = None,
) -> ChildEnd:
    """Runs `task` in a forked child inside `folder` and returns how it ended.

    Whatever the child asks over its channel is answered by `serve`. Before this returns, the child, its process group
    and every process that escaped from the group are dead and reaped.

    `fences` says which files there are for it; None leaves all of them. `sandbox` "required" accepts nothing less than
    `sandbox.require` names; "best-effort" takes what the machine has; "off" puts up no fence at all.

    Raises `Interrupted` when `stop` says so, and whatever `serve` raises; OSError when the machine cannot fork;
    `SandboxMissing`, before any of the task ran, when a fence cannot be put up; `Unkillable` when the child hangs in
    the kernel.
    """
    with Child(task, folder=folder, limits=limits, environment=environment, fences=fences, sandbox=sandbox) as child:
        while True:
            request = child.receive(stop)
            if request is None or serve is None:
                return child.end()
            paused = time.monotonic()
            answer = serve(request.body)
            if clock_stops_while_serving:
                child.extend(time.monotonic() - paused)
            child.answer(answer)


# --- the parent ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """What a child asked. It waits for an answer."""

    body: Json


class Child:
    """A contained child as a conversation: it asks, we answer. `run_child` is the plain form.

    Of several children the younger ends first: ending one also ends all that were born after it.
    """

    def __init__(
        self,
        task: Callable[[Channel], Json],
        *,
        folder: Path,
        limits: Limits,
        environment: Mapping[str, str] | None = None,
        fences: Fences | None = None,
        sandbox: Sandbox = "best-effort",
    ) -> None:
        if sandbox == "required":
            require()
        if sandbox != "off":
            isolation()  # known before the fork, for all children to come
        _adopt_orphans()
        folder.mkdir(parents=True, exist_ok=True)
        self._elders = frozenset(children(os.getpid()))
        self._stdout, self._stderr = _output_file(folder / "stdout"), _output_file(folder / "stderr")
        self._line, theirs = socket.socketpair()
        self._report, report = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._began = time.monotonic()
        self._deadline = self._began + limits.wall_s
        self._farewell: dict[str, Json] | None = None
        self._timed_out = False
        self._account: ChildEnd | None = None
        sys.stdout.flush()
        sys.stderr.flush()
        birth = Birth(
            task=task,
            line=theirs,
            stdout=self._stdout,
            stderr=self._stderr,
            report=report,
            parent=os.getpid(),
            folder=folder.resolve(),
            limits=limits,
            environment=dict(environment or {}),
            fences=fences,
            sandbox=sandbox,
        )
        self._process = os.fork()
        if self._process == 0:
            live(birth)
        theirs.close()
        os.close(report)
        self._line.setblocking(False)
        self._inbox = Inbox(self._line)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def receive(self, stop: StopSignal | None = None) -> Request | None:
        """The next thing that the child asks; None once it has finished, died or run out of time.

        Raises `Interrupted` when `stop` says so, `Starved` where the machine had no time for it.
        """
        with _DeathNotice(self._process) as death:
            poll = select.poll()
            poll.register(self._line, select.POLLIN)
            if death is not None:
                poll.register(death, select.POLLIN)
            while True:
                if stop is not None and stop():
                    raise Interrupted
                left = self._deadline - time.monotonic()
                if left <= 0:
                    seconds = time.monotonic() - self._began
                    if starved(self._process, seconds):
                        raise Starved(f"{seconds:.0f} s were not enough, most of them spent waiting for a processor")
                    self._timed_out = True
                    return None
                events = {descriptor for descriptor, _ in poll.poll(min(left, TICK_S) * 1000)}
                if self._line.fileno() in events and not self._inbox.read():
                    poll.unregister(self._line)
                died = _has_died(self._process)
                while died and self._inbox.read():
                    continue
                message = self._inbox.message()
                if message is not None and message.get("kind") == "ask":
                    return Request(message.get("body"))
                if message is not None or died or self._inbox.broken:
                    self._farewell = message
                    return None

    def answer(self, answer: Json) -> None:
        self._line.settimeout(ANSWER_S)
        # It may have died or refuse to listen: its end will say so.
        with suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            self._line.sendall(framed(answer))
        self._line.setblocking(False)

    def others(self) -> list[str]:
        """The living processes that the child has started, by what they are called."""
        found = []
        for one in descendants(self._process):
            with suppress(OSError, IndexError):
                about = Path(f"/proc/{one}/stat").read_text()
                name, _, rest = about.partition("(")[2].rpartition(")")
                if rest.split()[0] not in "ZX":
                    found.append(name)
        return found

    def extend(self, seconds: float) -> None:
        """Moves the deadline: this much time was not the child's."""
        self._deadline += seconds

    def end(self) -> ChildEnd:
        """Kills and reaps everything that is left of the child; says how it ended. Safe to call twice.

        Raises SandboxMissing or OSError, the first time, where the task could not begin.
        """
        if self._account is None:
            status = _end_all(self._process, self._elders)
            self._line.close()
            report = _reports(self._report)
            duration_ms = (time.monotonic() - self._began) * 1000
            output = (_tail(self._stdout), _tail(self._stderr))
            self._account = _account(self._farewell, self._timed_out, status, report, output, duration_ms)
            if "unfenced" in report:
                raise SandboxMissing(f"a fence that worked before could not be put up: {report['unfenced']}")
            if isinstance(report.get("unborn"), int):
                number = int(str(report["unborn"]))
                raise OSError(number, f"a contained child cannot be forked: {os.strerror(number)}")
        return self._account


class _DeathNotice:
    """A descriptor that becomes readable when the process dies, where the kernel has them."""

    def __init__(self, child: int) -> None:
        self._descriptor: int | None = None
        with suppress(AttributeError, OSError):
            self._descriptor = os.pidfd_open(child)

    def __enter__(self) -> int | None:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


def _has_died(child: int) -> bool:
    try:
        return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True  # ended together with an older one


def _end_all(child: int, elders: frozenset[int]) -> int:
    """Kills the child, its group and every descendant, and reaps all that are ours. Returns the child's status.

    Those that left the group become our own children as their parents die (we are their subreaper), so killing goes
    on, faster than they can fork, until none is left.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    status: int | None = None
    given_up = time.monotonic() + REAP_S
    while status is None or _brood(elders):
        if time.monotonic() > given_up:
            raise Unkillable(f"process {child} or one of its children did not end within {REAP_S:.0f} s of SIGKILL")
        reaped = False
        for one in _brood(elders):
            _send(one, signal.SIGKILL)
            with suppress(ChildProcessError):  # a grandchild is not ours to reap yet
                ended, how = os.waitpid(one, os.WNOHANG)
                reaped = reaped or ended != 0
                status = how if ended == child else status
        if status is None and not _is_ours(child):
            return signal.SIGKILL  # it was ended, and reaped, together with an older one
        if not reaped:
            time.sleep(0.0005)
    return status


def _is_ours(child: int) -> bool:
    try:
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _brood(elders: frozenset[int]) -> list[int]:
    young = [one for one in children(os.getpid()) if one not in elders]
    return young + [below for one in young for below in descendants(one)]


def _send(process: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process, what)


def _reports(pipe: int) -> dict[str, Json]:
    """What our own processes in there said; of two that say the same kind of thing, the first."""
    report: dict[str, Json] = {}
    with os.fdopen(pipe, "rb") as stream:
        for line in (stream.read(REPORT_BYTES) or b"").splitlines():
            report = json.loads(line) | report
    return report


def _account(
    farewell: dict[str, Json] | None,
    timed_out: bool,
    status: int,
    report: dict[str, Json],
    output: tuple[str, str],
    duration_ms: float,
) -> ChildEnd:
    said = farewell or {}
    body = said.get("body")
    details = body if isinstance(body, dict) else {}
    told = report.get("status")
    status = told if isinstance(told, int) else status
    excess = _text(report.get("excess"))
    exit_code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
    killer = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    kind: Literal["returned", "raised", "exited", "signalled", "timeout"]
    if excess is not None:
        kind, killer = "signalled", int(signal.SIGKILL)
    elif timed_out:
        kind = "timeout"
    elif said.get("kind") == "returned":
        kind = "returned"
    elif said.get("kind") == "raised":
        kind = "raised"
    else:
        kind = "signalled" if killer is not None else "exited"
    finished = kind in ("returned", "raised", "timeout")  # we killed it ourselves: its status tells nothing
    return ChildEnd(
        kind=kind,
        value=body if kind == "returned" else None,
        error_type=_text(details.get("type")) if kind == "raised" else None,
        error=_text(details.get("message")) if kind == "raised" else excess,
        traceback=_text(details.get("traceback")) if kind == "raised" else None,
        exit_code=None if finished or excess is not None else exit_code,
        signal=None if finished else killer,
        stdout=output[0],
        stderr=output[1],
        duration_ms=duration_ms,
        excess=excess,
    )


def _text(value: Json) -> str | None:
    return value[:TAIL_BYTES] if isinstance(value, str) else None


def _output_file(file: Path) -> int:
    remove(file)  # whatever an earlier child left under this name
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _tail(output: int) -> str:
    """The end of what was printed; closes the file, and empties it where it is too long to keep."""
    with os.fdopen(output, "rb") as stream:
        stream.seek(max(0, os.fstat(output).st_size - TAIL_BYTES))
        tail = stream.read(TAIL_BYTES).decode("utf-8", "replace").lstrip("\0")
        forget_output(output)
        return tail


def _adopt_orphans() -> None:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0)

"""One task in a forked child that nothing survives: bounded, cut off from the rest, killed with everything it started.

`run_child` forks the (single-threaded) caller, so a child with torch imported starts in milliseconds. The child gets a
session of its own, a scrubbed environment, its own folder, resource limits, no network and no descriptor but one
socket to its parent; it leaves by `os._exit` and is killed at its deadline. What it says about itself comes back as
a `ChildEnd`, which is an account and never a verdict.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn, Union

Json = Union[None, bool, int, float, str, "list[Json]", "dict[str, Json]"]
StopSignal = Callable[[], bool]  # asked every TICK_S; true means: end this job now

MESSAGE_BYTES = 64 * 1024 * 1024  # a candidate of 10 MB quoted three times still fits
TAIL_BYTES = 16 * 1024
OUTPUT_BYTES = 64 * 1024 * 1024
FILE_BYTES = 256 * 1024 * 1024
TICK_S = 0.05
ANSWER_S = 10.0
REAP_S = 30.0
CHANNEL_DESCRIPTOR = 3
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ")


class Interrupted(Exception):
    """The job was stopped from outside; it has no verdict."""


class Unkillable(Exception):
    """A killed process would not end: it hangs inside a driver, and the device with it."""


@dataclass(frozen=True)
class Limits:
    """What one child may use.

    `memory_bytes` bounds what each of its processes may allocate beyond what it was born with (private writable memory:
    the addresses that a CUDA context reserves do not count). `file_bytes` bounds every file that it writes, its output
    included. `processes` needs user namespaces (see `isolation`).
    """

    wall_s: float
    memory_bytes: int | None = None
    processes: int | None = None
    file_bytes: int | None = None


@dataclass(frozen=True)
class ChildEnd:
    """How the child ended. `value`, `error` and the output tails are the child's own words."""

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


class Channel:
    """The child's side of the one line to its parent."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def ask(self, request: Json) -> Json:
        """Sends `request` and waits for the parent's answer."""
        self.tell("ask", request)
        size = struct.unpack(">I", self._take(4))[0]
        answer: Json = json.loads(self._take(size))
        return answer

    def tell(self, kind: str, body: Json) -> None:
        data = json.dumps({"kind": kind, "body": body}).encode()
        self._line.sendall(struct.pack(">I", len(data)) + data)

    def _take(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self._line.recv(min(size - len(data), 1 << 20))
            if not piece:
                raise EOFError("the parent closed the line")
            data += piece
        return bytes(data)


def run_child(
    task: Callable[[Channel], Json],
    *,
    folder: Path,
    limits: Limits,
    serve: Callable[[Json], Json] | None = None,
    clock_stops_while_serving: bool = False,
    environment: Mapping[str, str] | None = None,
    stop: StopSignal | None = None,
) -> ChildEnd:
    """Runs `task` in a forked child inside `folder` and returns how it ended.

    Whatever the child asks over its channel is answered by `serve`. Before this returns, the child, its process group
    and every process that escaped from the group are dead and reaped.
    Raises `Interrupted` when `stop` says so, and whatever `serve` raises; OSError when the machine cannot fork;
    `Unkillable` when the child hangs in the kernel.
    """
    with Child(task, folder=folder, limits=limits, environment=environment) as child:
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
    ) -> None:
        _adopt_orphans()
        folder.mkdir(parents=True, exist_ok=True)
        self._elders = frozenset(_children(os.getpid()))
        self._stdout, self._stderr = _output_file(folder / "stdout"), _output_file(folder / "stderr")
        self._line, theirs = socket.socketpair()
        self._began = time.monotonic()
        self._deadline = self._began + limits.wall_s
        self._farewell: dict[str, Json] | None = None
        self._timed_out = False
        self._account: ChildEnd | None = None
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        self._process = os.fork()
        if self._process == 0:
            _live(task, (theirs, self._stdout, self._stderr), parent, folder, limits, dict(environment or {}))
        theirs.close()
        self._line.setblocking(False)
        self._inbox = _Inbox(self._line)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def receive(self, stop: StopSignal | None = None) -> Request | None:
        """The next thing that the child asks; None once it has finished, died or run out of time.

        Raises `Interrupted` when `stop` says so.
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
                    self._timed_out = True
                    return None
                _bound(self._stdout)
                _bound(self._stderr)
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
        data = json.dumps(answer).encode()
        self._line.settimeout(ANSWER_S)
        # It may have died or refuse to listen: its end will say so.
        with suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            self._line.sendall(struct.pack(">I", len(data)) + data)
        self._line.setblocking(False)

    def extend(self, seconds: float) -> None:
        """Moves the deadline: this much time was not the child's."""
        self._deadline += seconds

    def end(self) -> ChildEnd:
        """Kills and reaps everything that is left of the child; says how it ended. Safe to call twice."""
        if self._account is None:
            status = _end_all(self._process, self._elders)
            self._line.close()
            duration_ms = (time.monotonic() - self._began) * 1000
            output = (_tail(self._stdout), _tail(self._stderr))
            self._account = _account(self._farewell, self._timed_out, status, output, duration_ms)
        return self._account


class _Inbox:
    """Length-prefixed JSON messages out of a socket that an enemy may be writing to."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._data = bytearray()
        self.broken = False

    def read(self) -> bool:
        """Takes what is there; false when nothing is there or will come."""
        try:
            piece = self._line.recv(1 << 20)
        except (BlockingIOError, ConnectionResetError):
            return False
        self._data += piece
        return bool(piece)

    def message(self) -> dict[str, Json] | None:
        """The next whole message. What is not one breaks the inbox for good."""
        if self.broken or len(self._data) < 4:
            return None
        size = struct.unpack(">I", self._data[:4])[0]
        if size > MESSAGE_BYTES:
            self.broken = True
        if self.broken or len(self._data) < 4 + size:
            return None
        body = bytes(self._data[4 : 4 + size])
        del self._data[: 4 + size]
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            message = None
        self.broken = not isinstance(message, dict)
        return message if isinstance(message, dict) else None


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
    found = [one for one in _children(os.getpid()) if one not in elders]
    for one in found:  # grows while it is walked
        found.extend(_children(one))
    return found


def _children(process: int) -> list[int]:
    """The living (or unreaped) children of a process, by any of its threads."""
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):
                text = (thread / "children").read_text()
                found.extend(int(word) for word in text.split())
    return found


def _send(process: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process, what)


def _account(
    farewell: dict[str, Json] | None, timed_out: bool, status: int, output: tuple[str, str], duration_ms: float
) -> ChildEnd:
    said = farewell or {}
    body = said.get("body")
    details = body if isinstance(body, dict) else {}
    exit_code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
    killer = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    kind: Literal["returned", "raised", "exited", "signalled", "timeout"]
    if timed_out:
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
        error=_text(details.get("message")) if kind == "raised" else None,
        traceback=_text(details.get("traceback")) if kind == "raised" else None,
        exit_code=None if finished else exit_code,
        signal=None if finished else killer,
        stdout=output[0],
        stderr=output[1],
        duration_ms=duration_ms,
    )


def _text(value: Json) -> str | None:
    return value[:TAIL_BYTES] if isinstance(value, str) else None


def _output_file(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _bound(output: int) -> None:
    """Forgets what was printed once it is too much: nobody reads a gigabyte, and the disk is everybody's."""
    if os.fstat(output).st_size > OUTPUT_BYTES:
        os.ftruncate(output, 0)


def _tail(output: int) -> str:
    """The end of what was printed; closes the file."""
    with os.fdopen(output, "rb") as stream:
        stream.seek(max(0, os.fstat(output).st_size - TAIL_BYTES))
        return stream.read(TAIL_BYTES).decode("utf-8", "replace").lstrip("\0")


# --- the child -------------------------------------------------------------------------------------------------------


def _live(
    task: Callable[[Channel], Json],
    ends: tuple[socket.socket, int, int],
    parent: int,
    folder: Path,
    limits: Limits,
    environment: dict[str, str],
) -> NoReturn:
    """The child's whole life; never returns, and runs none of the parent's clean-up."""
    code = 70
    try:
        channel = _settle(ends, parent, folder, limits, environment)
        try:
            channel.tell("returned", task(channel))
            code = 0
        except BaseException as error:  # the child ends here, whatever it was
            channel.tell("raised", _describe(error))
            code = 1
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
    finally:
        os._exit(code)


def _settle(
    ends: tuple[socket.socket, int, int], parent: int, folder: Path, limits: Limits, environment: dict[str, str]
) -> Channel:
    os.setsid()
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(71)
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1, signal.SIGALRM):
        signal.signal(name, signal.SIG_DFL)
    os.chdir(folder)
    _arrange_descriptors(*ends)
    kept = {name: value for name, value in os.environ.items() if name in KEPT_VARIABLES}
    os.environ.clear()
    os.environ.update(kept | {"HOME": str(folder), "TMPDIR": str(folder)} | environment)
    private_user = _isolate()
    _limit(limits, private_user)
    return Channel(socket.socket(fileno=CHANNEL_DESCRIPTOR))


def _arrange_descriptors(line: socket.socket, output: int, errors: int) -> None:
    # The line first goes far above the places that are filled, so that no dup2 overwrites a source of a later one.
    os.dup2(line.detach(), 200, inheritable=False)
    os.dup2(output, 201)
    os.dup2(errors, 202)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(201, 1)
    os.dup2(202, 2)
    os.dup2(200, CHANNEL_DESCRIPTOR, inheritable=False)
    os.closerange(CHANNEL_DESCRIPTOR + 1, 1 << 20)


def _limit(limits: Limits, private_user: bool) -> None:
    file_bytes = limits.file_bytes if limits.file_bytes is not None else FILE_BYTES
    _set_limit(resource.RLIMIT_FSIZE, file_bytes)
    _set_limit(resource.RLIMIT_CORE, 0)
    if limits.memory_bytes is not None:
        _set_limit(resource.RLIMIT_DATA, limits.memory_bytes + _data_bytes())
    if limits.processes is not None and private_user:  # elsewhere it would count the user's other processes
        _set_limit(resource.RLIMIT_NPROC, limits.processes)


def _set_limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _data_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


def _describe(error: BaseException) -> Json:
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__, limit=-20))
    try:
        message = str(error)
    except BaseException:  # the candidate's own exception class may do anything
        message = "(an exception that cannot be shown)"
    return {"type": type(error).__name__, "message": message[-TAIL_BYTES:], "traceback": trace[-TAIL_BYTES:]}


# --- what the kernel offers ------------------------------------------------------------------------------------------

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


@functools.cache
def isolation() -> dict[str, bool]:
    """Which of the fences this machine can put up: tried once, in a child that is thrown away."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        private_user = _isolate()
        os.write(writer, b"1" if private_user else b"0")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        private_user = stream.read() == b"1"
    os.waitpid(child, 0)
    return {"userNamespaces": private_user, "networkNamespaces": private_user, "subreaper": True}


def _isolate() -> bool:
    """A user, network and IPC namespace of its own: no network, and no right over any process or file outside.

    In a user namespace of its own the child cannot trace the harness or open its descriptors through /proc, also
    when both run as root. Returns false where the machine does not allow it.
    """
    user, group = os.getuid(), os.getgid()
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_SET_DUMPABLE, 1)  # else /proc/self/uid_map belongs to root
    if _libc.unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC) != 0:
        return False
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    except OSError:
        return False
    return True


def _adopt_orphans() -> None:
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0)

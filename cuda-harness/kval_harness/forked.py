"""The child's side of containment, from the fork to the end: fences up, then the task, and nothing that lasts.

Three processes, all forked, so that torch stays imported. The warden, which the parent forked, enters the namespaces
and watches what the others use. The first of the new process table (where there is one) only collects the dead, and
takes everybody with it when it ends. The third puts up the fences and runs the task.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from kval_harness.line import Channel, Json
from kval_harness.sandbox import Fences, Sandbox, enter_namespaces, isolation, raise_fences
from kval_harness.usage import Meter

TEXT_CHARACTERS = 16 * 1024
OUTPUT_BYTES = 64 * 1024 * 1024
FILE_BYTES = 256 * 1024 * 1024
FILES_OF_FULL_SIZE = 4
WATCH_S = 0.05
CHANNEL_DESCRIPTOR = 3
REPORT_DESCRIPTOR = 4
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ")
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
NPROC_IN_NAMESPACE = (5, 14)  # before, the kernel counts all processes of the user


@dataclass(frozen=True)
class Limits:
    """What one child may use.

    `memory_bytes` bounds what each of its processes may allocate beyond what it was born with (private writable memory:
    the addresses that a CUDA context reserves do not count), and what all of them have together. `file_bytes` bounds
    every file that it writes, its output included; `disk_bytes` all files in its folders together (default: four of
    the largest). `processes` counts threads as well.
    """

    wall_s: float
    memory_bytes: int | None = None
    processes: int | None = None
    file_bytes: int | None = None
    disk_bytes: int | None = None


@dataclass(frozen=True)
class Birth:
    """What a child is born with. `report` is for our own words, before and beside the candidate's."""

    task: Callable[[Channel], Json]
    line: socket.socket
    stdout: int
    stderr: int
    report: int
    parent: int
    folder: Path
    limits: Limits
    environment: dict[str, str]
    fences: Fences | None
    sandbox: Sandbox


def live(birth: Birth) -> NoReturn:
    """The life of the process that was just forked; never returns, and runs none of the parent's clean-up.

    Reports, a JSON object a line: `{status}`, how the task's process ended (as of `wait`); `{excess}`, why it was
    ended; `{unfenced}`, which fence failed, `{unborn}` (an errno), which fork: the task never began.
    """
    try:
        _settle(birth)
        if birth.sandbox == "off":
            _confine(birth)
        try:
            first = enter_namespaces()
        except OSError as error:
            _report({"unfenced": str(error)})
            os._exit(70)
        lifeline = os.pipe()
        child = _fork()
        if child == 0:
            os.close(lifeline[1])
            _dies_with_parent()
            if select.select(lifeline[:1], [], [], 0)[0]:
                os._exit(71)  # the warden is dead already, and its death goes by unnoticed
            os.close(lifeline[0])
            if not first:
                _confine(birth)
            child = _fork()
            if child == 0:
                _confine(birth)
            _collect(child)
        _watch(birth, child)
    finally:
        os._exit(70)


def forget_output(output: int) -> None:
    """Empties what was printed once it is too much: nobody reads a gigabyte, and the disk is everybody's."""
    if os.fstat(output).st_size > OUTPUT_BYTES:
        os.ftruncate(output, 0)


# --- the warden and the first of the process table -------------------------------------------------------------------


def _settle(birth: Birth) -> None:
    os.setsid()
    _dies_with_parent()
    if os.getppid() != birth.parent:
        os._exit(71)
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1, signal.SIGALRM):
        signal.signal(name, signal.SIG_DFL)
    os.chdir(birth.folder)
    _arrange_descriptors(birth)
    kept = {name: value for name, value in os.environ.items() if name in KEPT_VARIABLES}
    os.environ.clear()
    own = {"HOME": str(birth.folder), "TMPDIR": str(birth.folder)}
    own["HF_HUB_OFFLINE"] = "1"  # there is no network in here, and a hub's client would try again and again
    os.environ.update(kept | own | birth.environment)


def _arrange_descriptors(birth: Birth) -> None:
    # All first go far above the places that are filled, so that no dup2 overwrites a source of a later one.
    os.dup2(birth.line.detach(), 200, inheritable=False)
    os.dup2(birth.stdout, 201)
    os.dup2(birth.stderr, 202)
    os.dup2(birth.report, 203, inheritable=False)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(201, 1)
    os.dup2(202, 2)
    os.dup2(200, CHANNEL_DESCRIPTOR, inheritable=False)
    os.dup2(203, REPORT_DESCRIPTOR, inheritable=False)
    os.closerange(REPORT_DESCRIPTOR + 1, 1 << 20)


def _fork() -> int:
    try:
        return os.fork()
    except OSError as error:
        _report({"unborn": error.errno})
        os._exit(70)


def _collect(child: int) -> NoReturn:
    """Waits for the task's process and whoever is left to us; what is alive when we end, the kernel ends."""
    _stand_aside()
    while True:
        ended, status = os.wait()
        if ended == child:
            _report({"status": status})
            os._exit(0)


def _watch(birth: Birth, child: int) -> NoReturn:
    _stand_aside()
    limits = birth.limits
    folders = (birth.folder, *(birth.fences.writable if birth.fences else ()))
    meter = Meter(child, folders, limits.memory_bytes, limits.processes, _disk_bytes(limits))
    poll = select.poll()
    with suppress(AttributeError, OSError):
        poll.register(os.pidfd_open(child), select.POLLIN)
    while True:
        poll.poll(WATCH_S * 1000)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended == child:
            _report({"status": status})  # behind the collector's, which counts
            os._exit(0)
        for output in (1, 2):
            forget_output(output)
        excess = meter.excess()
        if excess is not None:
            _report({"excess": excess})
            os.kill(child, signal.SIGKILL)
            os._exit(0)


def _stand_aside() -> None:
    """This process runs none of the task: it takes no part in the conversation, and nobody may look into it."""
    gc.disable()
    os.close(CHANNEL_DESCRIPTOR)
    _prctl(PR_SET_DUMPABLE, 0)


def _report(what: dict[str, Json]) -> None:
    with suppress(OSError):
        os.write(REPORT_DESCRIPTOR, json.dumps(what).encode() + b"\n")


# --- the task --------------------------------------------------------------------------------------------------------


def _confine(birth: Birth) -> NoReturn:
    """Puts up the fences and limits, runs the task, says what came of it."""
    _dies_with_parent()
    try:
        if birth.sandbox != "off":
            _prctl(PR_SET_DUMPABLE, 1)  # else its own files in /proc belong to root
            with suppress(OSError):
                Path("/proc/self/oom_score_adj").write_text("1000")  # rather this one than anybody else
            raise_fences(birth.folder, birth.fences)
        _limit(birth.limits)
    except Exception as error:
        _report({"unfenced": f"{type(error).__name__}: {error}"})
        os._exit(70)
    os.close(REPORT_DESCRIPTOR)
    code = 70
    try:
        channel = Channel(socket.socket(fileno=CHANNEL_DESCRIPTOR))
        try:
            channel.tell("returned", birth.task(channel))
            code = 0
        except BaseException as error:  # the child ends here, whatever it was
            channel.tell("raised", _describe(error))
            code = 1
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
    finally:
        os._exit(code)


def _limit(limits: Limits) -> None:
    _set_limit(resource.RLIMIT_FSIZE, _file_bytes(limits))
    _set_limit(resource.RLIMIT_CORE, 0)
    if limits.memory_bytes is not None:
        _set_limit(resource.RLIMIT_DATA, limits.memory_bytes + _data_bytes())
    if limits.processes is not None and isolation()["userNamespaces"] and _kernel() >= NPROC_IN_NAMESPACE:
        _set_limit(resource.RLIMIT_NPROC, limits.processes)  # root's processes are not counted; the warden counts them


def _file_bytes(limits: Limits) -> int:
    return FILE_BYTES if limits.file_bytes is None else limits.file_bytes


def _disk_bytes(limits: Limits) -> int:
    return FILES_OF_FULL_SIZE * _file_bytes(limits) if limits.disk_bytes is None else limits.disk_bytes


def _set_limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _data_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


def _kernel() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(one for one in minor if one.isdigit()) or 0)


def _describe(error: BaseException) -> Json:
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__, limit=-20))
    try:
        message = str(error)
    except BaseException:  # the candidate's own exception class may do anything
        message = "(an exception that cannot be shown)"
    return {"type": type(error).__name__, "message": message[-TEXT_CHARACTERS:], "traceback": trace[-TEXT_CHARACTERS:]}


def _dies_with_parent() -> None:
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)

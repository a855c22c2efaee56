"""One compiler call: started in a group of its own, killed as a whole at its deadline, its words kept in full."""

from __future__ import annotations

import errno
import os
import re
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kval_harness.contain import Interrupted
from kval_harness.outcome import InstrumentError

STOP_TICK_S = 0.1
# Whole lines of the tools themselves: a source line that is quoted in a complaint must not match.
OUT_OF_MEMORY = re.compile(
    r"^\S*: fatal error: Killed signal terminated program|^nvcc error *: '\S+' died due to signal 9 "
    r"|^(\S*: )?(out of memory allocating|virtual memory exhausted)|^\S+: (final link failed: )?memory exhausted$"
    r"|^terminate called after throwing an instance of 'std::bad_alloc'$",
    re.MULTILINE,
)
DISK_FULL = re.compile(r"^\S.*: (No space left on device|Disk quota exceeded)$", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """What one tool was asked and what it said. `exit_code` is None where it was killed (`timed_out`: by the clock)."""

    tool: str
    command: tuple[str, ...]
    exit_code: int | None
    duration_ms: float
    stdout: str
    stderr: str
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    @property
    def output(self) -> str:
        """Both streams; tools disagree on where their complaints belong."""
        return "\n".join(part for part in (self.stderr, self.stdout) if part)


class RunningStep:
    """A tool at work. End it with `wait` or `kill`, on every way out."""

    def __init__(
        self,
        tool: str,
        command: tuple[str, ...],
        process: subprocess.Popen[bytes],
        streams: tuple[IO[bytes], IO[bytes]],
    ) -> None:
        self._tool = tool
        self._command = command
        self._process = process
        self._streams = streams
        self._began = time.monotonic()
        self._done: Step | None = None
        self._descriptor = _death_notice(process.pid)

    def wait(self, deadline: float, stop: Callable[[], bool] | None = None) -> Step:
        """Waits for the end, or for `deadline` (of `time.monotonic`), where the whole group is killed.

        Raises:
            Interrupted: `stop` said so; the group is dead.
            InstrumentError: the machine ran out of memory or disk; that says nothing about the source.
        """
        while self._done is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return self.kill(timed_out=True)
            if stop is not None and stop():
                self.kill()
                raise Interrupted
            self._sleep(min(left, STOP_TICK_S) if stop is not None else left)
            if self._process.poll() is not None:
                self._finish(self._process.returncode, timed_out=False)
        _blame_machine(self._done)
        return self._done

    def ended(self) -> bool:
        return self._done is not None or self._process.poll() is not None

    def kill(self, *, timed_out: bool = False) -> Step:
        """Kills the tool with all its children, and says what it had written by then."""
        if self._done is None:
            self._finish(None, timed_out)
        assert self._done is not None
        return self._done

    def _finish(self, exit_code: int | None, timed_out: bool) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        duration_ms = (time.monotonic() - self._began) * 1000
        stdout, stderr = (_text(stream) for stream in self._streams)
        self._done = Step(self._tool, self._command, exit_code, duration_ms, stdout, stderr, timed_out)

    def _sleep(self, seconds: float) -> None:
        if self._descriptor is None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            return
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        poll.poll(seconds * 1000)


def start_step(tool: str, command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> RunningStep:
    """Starts `command` in `folder`.

    Raises:
        InstrumentError: `toolchain-missing` where the tool cannot be started, `disk-full`, `out-of-memory`.
    """
    words = tuple(command)
    try:
        streams = (tempfile.TemporaryFile(), tempfile.TemporaryFile())  # noqa: SIM115 (closed by RunningStep)
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=streams[0],
            stderr=streams[1],
            start_new_session=True,
        )
    except OSError as error:
        raise instrument_error(error, f"{tool} ({words[0]}) cannot be started") from error
    return RunningStep(tool, words, process, streams)


def run_step(
    tool: str,
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    deadline: float,
    stop: Callable[[], bool] | None = None,
) -> Step:
    """Runs `command` in `folder` to its end or its `deadline`. Raises as `start_step` and `RunningStep.wait` do."""
    running = start_step(tool, command, folder=folder, environment=environment)
    try:
        return running.wait(deadline, stop)
    finally:
        running.kill()


def instrument_error(error: OSError, what: str) -> InstrumentError:
    """The failure of the machine behind an OSError of the harness's own."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InstrumentError("disk-full", f"{what}: {error}; free some space or move the cache", retry=True)
    if error.errno in (errno.ENOMEM, errno.EAGAIN):
        return InstrumentError("out-of-memory", f"{what}: {error}; run fewer workers", retry=True)
    if error.errno in (errno.ENOENT, errno.EACCES, errno.ENOEXEC):
        return InstrumentError("toolchain-missing", f"{what}: {error}; run kval doctor", retry=False)
    return InstrumentError("internal", f"{what}: {error}", retry=True)


def _blame_machine(step: Step) -> None:
    if step.ok or step.timed_out:
        return
    if DISK_FULL.search(step.stderr):
        message = f"{step.tool} found the disk full; free some space or move the cache: {step.stderr[-500:]}"
        raise InstrumentError("disk-full", message, retry=True)
    if step.exit_code == -signal.SIGKILL or OUT_OF_MEMORY.search(step.stderr):
        message = f"{step.tool} ran out of memory; run fewer workers: {step.stderr[-500:]}"
        raise InstrumentError("out-of-memory", message, retry=True)


def _death_notice(process: int) -> int | None:
    try:
        return os.pidfd_open(process)
    except (AttributeError, OSError):
        return None


def _text(stream: IO[bytes]) -> str:
    with stream:
        stream.seek(0)
        return stream.read().decode("utf-8", "replace")

"""A worker of the harness, asked over its protocol for one candidate after another."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parent.parent
# The field of an outcome that says more, by its status.
DETAIL = {
    "invalid": "reason",
    "compile-error": "stage",
    "runtime-error": "phase",
    "timeout": "phase",
    "mismatch": "how",
    "rejected": "cheat",
}
Device = Literal["cpu", "cuda", "none"]


@dataclass(frozen=True)
class Judged:
    """What the harness said of a case; `status` is an outcome's with its detail, or `error` with a code."""

    status: str
    evidence: str
    seconds: float
    left_behind: int = 0


class Worker:
    """A worker process, asked over its protocol; started again when a candidate has ended it."""

    def __init__(self, device: Device, cache: Path) -> None:
        self._device = device
        self._cache = cache
        self._process: subprocess.Popen[bytes] | None = None
        self._data = b""

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @property
    def process_id(self) -> int:
        return (self._process or self._start()).pid

    def judge(self, source: str, problem: str) -> Judged:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="kval-bench-", ignore_cleanup_errors=True) as folder:
            try:
                reply = self._ask(_request(source, problem, self._device, self._cache, Path(folder)))
            except EOFError:
                self._end()
                return Judged("error worker-died", "the candidate ended the worker", time.monotonic() - began)
            left = _living_in(Path(folder))
        seconds = time.monotonic() - began
        if reply["type"] == "error":
            error = reply["error"]
            return Judged(f"error {error['code']}", _one_line(error["message"]), seconds, left)
        outcome = reply["result"]["outcome"]
        detail = outcome.get(DETAIL.get(outcome["status"], ""), "")
        status = f"{outcome['status']} {detail}".strip()
        evidence = outcome.get("evidence") or outcome.get("message") or ""
        return Judged(status, _one_line(str(evidence)), seconds, left)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise EOFError from None
        while (reply := self._line(process, 1800.0))["type"] == "progress":
            continue
        return reply

    def _start(self) -> subprocess.Popen[bytes]:
        self._cache.mkdir(parents=True, exist_ok=True)
        more = ["--cpu-device", str(self._cache / "cpu-device")] if self._device == "cpu" else []
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "cuda-harness")}
        log = (self._cache / "worker.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kval_harness", *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
        )
        log.close()
        self._data = b""
        kinds = [one["kind"] for one in self._line(self._process, 600.0)["devices"]]
        if self._device != "none" and self._device not in kinds:
            sys.exit(f"this machine has no device {self._device!r}; the worker knows {kinds}")
        return self._process

    def _line(self, process: subprocess.Popen[bytes], limit_s: float) -> dict[str, Any]:
        assert process.stdout is not None
        deadline = time.monotonic() + limit_s
        while b"\n" not in self._data:
            if not select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise EOFError
            piece = os.read(process.stdout.fileno(), 1 << 16)
            if not piece:
                raise EOFError
            self._data += piece
        line, _, self._data = self._data.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
        self._process = None


def _request(source: str, problem: str, device: Device, cache: Path, folder: Path) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "arch": "sm_90",
        "path": "auto",
        "buildTimeoutMs": 900_000,
        "cacheFolder": str(cache / "builds"),
        "cacheMaxBytes": 4 << 30,
    }
    params: dict[str, Any] = {
        "candidate": {"source": source, "language": "python"},
        "problem": {"source": problem, "small": device != "cuda"},
        "settings": settings,
        "folder": str(folder),
    }
    if device == "none":
        return {"id": "1", "method": "build", "params": params}
    timed = 20 if device == "cuda" else 0
    settings |= {"precision": "fp32", "trials": 3, "timingTrials": timed, "executeTimeoutMs": 20_000, "compat": "kval"}
    return {"id": "1", "method": "execute", "params": {**params, "device": {"kind": device, "index": 0}}}


def _living_in(folder: Path) -> int:
    """How many processes still work in a job's folder after the job."""
    found = 0
    for place in Path("/proc").glob("[0-9]*/cwd"):
        try:
            found += place.readlink().is_relative_to(folder)
        except OSError:  # it has ended, or is nobody's business
            continue
    return found


def _one_line(text: str) -> str:
    text = text.replace(f"{ROOT}/", "")
    return textwrap.shorten(" ".join(text.split()), 300, placeholder="...")

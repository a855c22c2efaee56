"""The worker's side of the wire: one JSON object a line. PROTOCOL.md is the contract; this file keeps to it.

The real stdout is claimed at start: afterwards descriptor 1 is stderr, so no print, no C library and no child of a
candidate can write into the protocol.
"""

from __future__ import annotations

import json
import os
import select
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from kval_harness.contain import Json
from kval_harness.outcome import InstrumentError

PROTOCOL = 1
LINE_BYTES = 64 * 1024 * 1024

Language = Literal["python", "cuda"]
BuildPath = Literal["auto", "fast", "stock"]
Precision = Literal["fp32", "fp16", "bf16"]
Compat = Literal["kval", "kernelbench"]
DeviceKind = Literal["cuda", "cpu", "host"]
LANGUAGES: tuple[Language, ...] = ("python", "cuda")
PATHS: tuple[BuildPath, ...] = ("auto", "fast", "stock")
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "bf16")
COMPATS: tuple[Compat, ...] = ("kval", "kernelbench")
Choice = TypeVar("Choice", bound=str)


class Wire:
    """Lines in from one descriptor, lines out to another; nothing else of the process may touch either."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._data = bytearray()
        self._lines: deque[bytes] = deque()
        self._skipping = False
        self.ended = False

    @staticmethod
    def claim() -> Wire:
        """Takes stdin and stdout for the protocol and leaves /dev/null and stderr in their places."""
        incoming, outgoing = os.dup(0), os.dup(1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)
        return Wire(incoming, outgoing)

    def send(self, message: dict[str, Json]) -> None:
        """Writes one line. Raises BrokenPipeError when nobody reads any more."""
        data = json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        while data:
            data = data[os.write(self._outgoing, data) :]

    def receive(self) -> bytes | None:
        """Waits for the next line; None at the end of the input."""
        while not self._lines and not self.ended:
            self._take(None)
        return self._lines.popleft() if self._lines else None

    def waiting(self) -> tuple[bytes, ...]:
        """The lines that have arrived and wait for `receive`."""
        if not self.ended:
            self._take(0.0)
        return tuple(self._lines)

    def drop(self, line: bytes) -> None:
        """Forgets a waiting line that has been dealt with."""
        self._lines.remove(line)

    def _take(self, timeout_s: float | None) -> None:
        while select.select([self._incoming], [], [], timeout_s)[0]:
            piece = os.read(self._incoming, 1 << 20)
            if not piece:
                self.ended = True  # half a line at the end is nobody's request
                return
            self._data += piece
            *whole, rest = self._data.split(b"\n")
            self._lines.extend(bytes(line) for line in whole[1 if self._skipping and whole else 0 :] if line.strip())
            self._skipping = self._skipping and not whole
            self._data = bytearray(rest)
            if len(rest) > LINE_BYTES or self._skipping:
                self._data.clear()
                if not self._skipping:
                    self._lines.append(b"{}")  # answered as the bad request it is
                self._skipping = True
            if self._lines:
                return


@dataclass(frozen=True)
class Request:
    id: str
    method: str
    params: Fields


@dataclass(frozen=True)
class Candidate:
    source: str
    language: Language


@dataclass(frozen=True)
class ProblemText:
    source: str
    small: bool


@dataclass(frozen=True)
class BuildSettings:
    arch: str
    path: BuildPath
    build_timeout_ms: float
    cache_folder: Path
    cache_max_bytes: int


@dataclass(frozen=True)
class BuildParams:
    candidate: Candidate
    problem: ProblemText | None
    settings: BuildSettings
    folder: Path


@dataclass(frozen=True)
class DeviceName:
    """`cuda`: a GPU. `cpu`: CUDA in software. `host`: no CUDA at all, for tests of everything else."""

    kind: DeviceKind
    index: int

    def torch_name(self) -> str:
        """Where the candidate computes, in torch's words."""
        return "cpu" if self.kind == "host" else f"cuda:{self.index}"

    def judge_torch_name(self) -> str:
        """Where the reference is computed: beside the candidate where that is real."""
        return f"cuda:{self.index}" if self.kind == "cuda" else "cpu"


@dataclass(frozen=True)
class ExecuteSettings:
    precision: Precision
    trials: int
    timing_trials: int
    execute_timeout_ms: float
    compat: Compat


@dataclass(frozen=True)
class ExecuteParams:
    build: BuildParams
    problem: ProblemText
    device: DeviceName
    settings: ExecuteSettings


@dataclass(frozen=True)
class ProblemParams:
    source: str


@dataclass(frozen=True)
class CheckParams:
    problem: ProblemText
    tolerance: float | None


def read_request(line: bytes) -> Request:
    """Raises InstrumentError `bad-request`, saying what is wrong with which field."""
    try:
        fields = Fields(json.loads(line), "")
    except (ValueError, RecursionError) as error:
        raise _bad("the line", f"is not JSON: {error}") from None
    return Request(fields.text("id"), fields.text("method"), fields.inner("params"))


def request_id(line: bytes) -> str | None:
    """The id of a line that may be no request, so that the error can be sent to whoever waits for it."""
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        return None
    found = body.get("id") if isinstance(body, dict) else None
    return found if isinstance(found, str) else None


def build_params(fields: Fields) -> BuildParams:
    candidate, settings = fields.inner("candidate"), fields.inner("settings")
    return BuildParams(
        candidate=Candidate(candidate.text("source"), candidate.one_of("language", LANGUAGES)),
        problem=None if fields.absent("problem") else _problem(fields.inner("problem")),
        settings=BuildSettings(
            arch=settings.text("arch"),
            path=settings.one_of("path", PATHS),
            build_timeout_ms=settings.number("buildTimeoutMs", above=0),
            cache_folder=settings.folder("cacheFolder"),
            cache_max_bytes=settings.whole("cacheMaxBytes", at_least=0),
        ),
        folder=fields.folder("folder"),
    )


def execute_params(fields: Fields, kinds: tuple[DeviceKind, ...] = ("cuda",)) -> ExecuteParams:
    """`kinds`: the devices that this worker executes on."""
    build = build_params(fields)
    if build.problem is None:
        raise _bad("params.problem", "is null, and nothing can be executed without a problem")
    device, settings = fields.inner("device"), fields.inner("settings")
    named = device.text("kind")
    kind = next((one for one in kinds if one == named), None)
    if kind is None:
        raise _bad("params.device.kind", f"is {named!r}; this worker executes on {' and '.join(map(repr, kinds))}")
    return ExecuteParams(
        build=build,
        problem=build.problem,
        device=DeviceName(kind, device.whole("index", at_least=0)),
        settings=ExecuteSettings(
            precision=settings.one_of("precision", PRECISIONS),
            trials=settings.whole("trials", at_least=1),
            timing_trials=settings.whole("timingTrials", at_least=0),
            execute_timeout_ms=settings.number("executeTimeoutMs", above=0),
            compat=settings.one_of("compat", COMPATS),
        ),
    )


def problem_params(fields: Fields) -> ProblemParams:
    return ProblemParams(fields.text("source"))


def check_params(fields: Fields) -> CheckParams:
    tolerance = None if fields.absent("tolerance") else fields.number("tolerance", above=0)
    return CheckParams(_problem(fields), tolerance)


class Fields:
    """One JSON object of a request, read field by field; every complaint names the field."""

    def __init__(self, body: Json, path: str) -> None:
        if not isinstance(body, dict):
            raise _bad(path or "the line", "is not a JSON object")
        self._body = body
        self._path = path

    def absent(self, name: str) -> bool:
        return self._body.get(name) is None

    def inner(self, name: str) -> Fields:
        return Fields(self._of(name), self._at(name))

    def text(self, name: str) -> str:
        value = self._of(name)
        if not isinstance(value, str):
            raise _bad(self._at(name), "is not a string")
        return value

    def one_of(self, name: str, choices: tuple[Choice, ...]) -> Choice:
        value = self.text(name)
        for choice in choices:
            if choice == value:
                return choice
        raise _bad(self._at(name), f"is {value!r}, not one of {', '.join(choices)}")

    def flag(self, name: str) -> bool:
        value = self._of(name)
        if not isinstance(value, bool):
            raise _bad(self._at(name), "is not true or false")
        return value

    def number(self, name: str, *, above: float) -> float:
        value = self._of(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not above < value < float("inf"):
            raise _bad(self._at(name), f"is not a number above {above}")
        return float(value)

    def whole(self, name: str, *, at_least: int) -> int:
        value = self._of(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
            raise _bad(self._at(name), f"is not a whole number of at least {at_least}")
        return value

    def folder(self, name: str) -> Path:
        path = Path(self.text(name))
        if not path.is_absolute():
            raise _bad(self._at(name), "is not an absolute path")
        return path

    def _of(self, name: str) -> Json:
        if name not in self._body:
            raise _bad(self._at(name), "is missing")
        return self._body[name]

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name


def _problem(fields: Fields) -> ProblemText:
    return ProblemText(fields.text("source"), fields.flag("small"))


def _bad(field: str, what: str) -> InstrumentError:
    return InstrumentError("bad-request", f"{field} {what}", retry=False)

"""What can be said about a candidate: a closed union, each case with exactly the evidence that it can have.

A failing kernel is an outcome. A failing instrument is an `InstrumentError`: retried, reported, never a label.
"""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import ClassVar, Literal

from kval_harness.contain import Json

MESSAGE_CHARACTERS = 8000
DIAGNOSTICS = 50
SYMBOLS = 50


@dataclass(frozen=True)
class Diagnostic:
    """One line of a tool's complaint, at the candidate's own file and line where it has one."""

    tool: Literal["nvcc", "g++", "ld", "ptxas", "rules"]
    severity: Literal["error", "warning"]
    file: str
    line: int | None
    column: int | None
    code: str | None
    message: str


@dataclass(frozen=True)
class Invalid:
    status: ClassVar[str] = "invalid"
    reason: Literal["no-model", "no-kernel", "other-backend", "python-error", "not-python"]
    message: str
    backend: str | None = None


@dataclass(frozen=True)
class CompileError:
    status: ClassVar[str] = "compile-error"
    stage: Literal["rules", "nvcc", "g++", "link"]
    message: str
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class LoadError:
    status: ClassVar[str] = "load-error"
    message: str
    undefined_symbols: tuple[str, ...] = ()


@dataclass(frozen=True)
class RuntimeFailure:
    status: ClassVar[str] = "runtime-error"
    phase: Literal["import", "construct", "forward"]
    error: str
    message: str


@dataclass(frozen=True)
class Timeout:
    status: ClassVar[str] = "timeout"
    phase: Literal["probe", "build", "load", "construct", "forward", "time"]
    limit_ms: float


@dataclass(frozen=True)
class Mismatch:
    status: ClassVar[str] = "mismatch"
    how: Literal["shape", "dtype", "values", "non-finite", "nondeterministic", "input-mutated"]
    message: str
    trial: int
    max_abs_error: float | None = None
    max_rel_error: float | None = None


@dataclass(frozen=True)
class Rejected:
    status: ClassVar[str] = "rejected"
    cheat: str
    evidence: str


@dataclass(frozen=True)
class Spread:
    """Times of repeated calls in milliseconds, the raw samples included."""

    median: float
    mean: float
    std: float
    min: float
    max: float
    samples: tuple[float, ...]


@dataclass(frozen=True)
class Timing:
    candidate_ms: Spread
    reference_ms: Spread
    speedup: float
    clock: dict[str, Json]


@dataclass(frozen=True)
class Correct:
    status: ClassVar[str] = "correct"
    timing: Timing | None
    max_abs_error: float
    max_rel_error: float


@dataclass(frozen=True)
class Built:
    status: ClassVar[str] = "built"


Outcome = Invalid | CompileError | LoadError | RuntimeFailure | Timeout | Mismatch | Rejected | Correct | Built

InstrumentCode = Literal[
    "bad-request",
    "out-of-memory",
    "no-kernel-image",
    "device-lost",
    "overloaded",
    "disk-full",
    "worker-died",
    "toolchain-missing",
    "problem-broken",
    "unsupported",
    "interrupted",
    "internal",
]


class InstrumentError(Exception):
    """The harness could not judge; the message says why and what to do, `retry` whether another try may help."""

    def __init__(self, code: InstrumentCode, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.code: InstrumentCode = code
        self.message = message
        self.retry = retry

    def to_json(self) -> dict[str, Json]:
        return {"code": self.code, "message": clip(self.message), "retry": self.retry}


def to_json(outcome: Outcome) -> dict[str, Json]:
    """The outcome as it goes over the wire: camelCase keys, bounded evidence, null where a number is not finite."""
    record: dict[str, Json] = {"status": outcome.status}
    record.update(_fields(outcome))
    return record


def clip(text: str, characters: int = MESSAGE_CHARACTERS) -> str:
    """The beginning and the end of a long text, with a word on what is left out, and no lone surrogates."""
    text = text.encode("utf-8", "replace").decode("utf-8", "replace")
    if len(text) <= characters:
        return text
    half = characters // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"


def _fields(record: object) -> dict[str, Json]:
    assert dataclasses.is_dataclass(record)
    return {_camel(field.name): _plain(getattr(record, field.name)) for field in dataclasses.fields(record)}


def _plain(value: object) -> Json:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return clip(value)
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        few = value[:DIAGNOSTICS] if value and isinstance(value[0], Diagnostic) else value
        few = few[:SYMBOLS] if few and isinstance(few[0], str) else few
        return [_plain(one) for one in few]
    return _fields(value)


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found.group(1).upper(), name)

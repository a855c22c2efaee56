"""What a build leaves behind: every command with its words, every kernel with its cost, every diagnostic."""

# ruff: noqa: ANN401  (what comes out of a file is anything until it is read)

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kval_harness.build.steps import Step
from kval_harness.contain import Json
from kval_harness.outcome import CompileError, Diagnostic, LoadError, Rejected, Timeout

LOG_CHARACTERS = 2_000_000


@dataclass(frozen=True)
class KernelUse:
    """What ptxas says a kernel takes; `name` is demangled. `instructions`: its PTX by class, see `instructions.py`."""

    name: str
    arch: str
    registers: int | None = None
    shared_bytes: int | None = None
    constant_bytes: int | None = None
    stack_bytes: int | None = None
    spill_store_bytes: int | None = None
    spill_load_bytes: int | None = None
    instructions: dict[str, int] | None = None


@dataclass(frozen=True)
class Attempt:
    """What one build path made of a spec: a `library`, or a `failure` that is its verdict, or neither where the path
    does not apply and `declined` says why."""

    library: Path | None
    failure: CompileError | Timeout | None
    steps: tuple[Step, ...] = ()
    kernels: tuple[KernelUse, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    declined: str | None = None


@dataclass(frozen=True)
class ExtensionBuild:
    """One extension's build, from whichever path answered. Exactly one of `library` and `failure` is there; `exports`
    are the public names of the module."""

    name: str
    path: Literal["fast", "stock"]
    cached: bool
    key: str
    duration_ms: float
    library: Path | None
    failure: CompileError | LoadError | Timeout | Rejected | None
    fallback_reason: str | None = None
    steps: tuple[Step, ...] = ()
    kernels: tuple[KernelUse, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    exports: tuple[str, ...] = ()


@dataclass(frozen=True)
class BuildRecord:
    """All that a candidate's build calls did. `duration_ms`: all of it; `probe_ms`: the candidate's Python alone."""

    duration_ms: float
    probe_ms: float
    extensions: tuple[ExtensionBuild, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """The record as it goes over the wire."""
        return {
            "durationMs": self.duration_ms,
            "probeMs": self.probe_ms,
            "extensions": [extension_json(one) for one in self.extensions],
            "warnings": list(self.warnings),
        }


def extension_json(build: ExtensionBuild) -> dict[str, Json]:
    return {
        "name": build.name,
        "path": build.path,
        "cached": build.cached,
        "key": build.key,
        "durationMs": build.duration_ms,
        "fallbackReason": build.fallback_reason,
        "steps": [step_json(step) for step in build.steps],
        "kernels": [kernel_json(kernel) for kernel in build.kernels],
        "diagnostics": [diagnostic_json(one) for one in build.diagnostics],
    }


def attempt_json(attempt: Attempt) -> dict[str, Json]:
    """What a cache keeps of an attempt; its library and any time-out stay outside."""
    failure = attempt.failure if isinstance(attempt.failure, CompileError) else None
    return {
        "failure": None
        if failure is None
        else {
            "stage": failure.stage,
            "message": failure.message,
            "diagnostics": [diagnostic_json(one) for one in failure.diagnostics],
        },
        "steps": [step_json(step) for step in attempt.steps],
        "kernels": [kernel_json(kernel) for kernel in attempt.kernels],
        "diagnostics": [diagnostic_json(one) for one in attempt.diagnostics],
        "declined": attempt.declined,
    }


def attempt_from_json(data: Any, library: Path | None) -> Attempt:
    """Reads what `attempt_json` wrote. Raises KeyError or TypeError where it is something else."""
    failure = data["failure"]
    return Attempt(
        library=library,
        failure=None
        if failure is None
        else CompileError(
            failure["stage"], failure["message"], tuple(_diagnostic(one) for one in failure["diagnostics"])
        ),
        steps=tuple(_step(one) for one in data["steps"]),
        kernels=tuple(_kernel(one) for one in data["kernels"]),
        diagnostics=tuple(_diagnostic(one) for one in data["diagnostics"]),
        declined=data["declined"],
    )


def step_json(step: Step) -> dict[str, Json]:
    return {
        "tool": step.tool,
        "command": list(step.command),
        "exitCode": step.exit_code,
        "durationMs": step.duration_ms,
        "stdout": _log(step.stdout),
        "stderr": _log(step.stderr),
    }


def kernel_json(kernel: KernelUse) -> dict[str, Json]:
    return {
        "name": kernel.name,
        "arch": kernel.arch,
        "registers": kernel.registers,
        "sharedBytes": kernel.shared_bytes,
        "constantBytes": kernel.constant_bytes,
        "stackBytes": kernel.stack_bytes,
        "spillStoreBytes": kernel.spill_store_bytes,
        "spillLoadBytes": kernel.spill_load_bytes,
        "instructions": None if kernel.instructions is None else {**kernel.instructions},
    }


def diagnostic_json(one: Diagnostic) -> dict[str, Json]:
    return {
        "tool": one.tool,
        "severity": one.severity,
        "file": one.file,
        "line": one.line,
        "column": one.column,
        "code": one.code,
        "message": one.message,
    }


def _step(data: Any) -> Step:
    command = tuple(data["command"])
    return Step(data["tool"], command, data["exitCode"], data["durationMs"], data["stdout"], data["stderr"])


def _kernel(data: Any) -> KernelUse:
    return KernelUse(
        name=data["name"],
        arch=data["arch"],
        registers=data["registers"],
        shared_bytes=data["sharedBytes"],
        constant_bytes=data["constantBytes"],
        stack_bytes=data["stackBytes"],
        spill_store_bytes=data["spillStoreBytes"],
        spill_load_bytes=data["spillLoadBytes"],
        instructions=data["instructions"],
    )


def _diagnostic(data: Any) -> Diagnostic:
    return Diagnostic(
        data["tool"], data["severity"], data["file"], data["line"], data["column"], data["code"], data["message"]
    )


def _log(text: str) -> str:
    """A compiler's words in full, short of the absurd."""
    if len(text) <= LOG_CHARACTERS:
        return text
    half = LOG_CHARACTERS // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"

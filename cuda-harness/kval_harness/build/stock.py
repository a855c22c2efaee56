"""The stock build: what torch 2.11 would run for a spec, run by us.

Same files, same text, same commands, in torch's order, with three differences that change no verdict: `ptxas -v` is
asked for its figures, g++ finds torch's headers precompiled, and a failed g++ ends nvcc's run early.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kval_harness.build.diagnostics import parse_diagnostics, parse_kernels, summary
from kval_harness.build.instructions import with_instructions
from kval_harness.build.record import Attempt
from kval_harness.build.spec import ExtensionSpec, SourceFile, is_cuda_file
from kval_harness.build.steps import RunningStep, Step, instrument_error, run_step, start_step
from kval_harness.build.toolchain import Toolchain
from kval_harness.contain import Interrupted
from kval_harness.outcome import CompileError, Diagnostic, Timeout

NVCC_FLAGS = (
    "-D__CUDA_NO_HALF_OPERATORS__",
    "-D__CUDA_NO_HALF_CONVERSIONS__",
    "-D__CUDA_NO_BFLOAT16_CONVERSIONS__",
    "-D__CUDA_NO_HALF2_OPERATORS__",
    "--expt-relaxed-constexpr",
)
PTXAS_FIGURES = "--ptxas-options=-v"
READABLE_PTX = ("--compress-mode=none", "-lineinfo")  # as plain text, with the lines of the source
PRECOMPILE_LIMIT_S = 600.0


@dataclass(frozen=True)
class Compilation:
    """One source file's compiler call."""

    tool: Literal["g++", "nvcc"]
    source: SourceFile
    object_file: Path
    command: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """All calls of a stock build. Raises nothing, runs nothing."""

    compilations: tuple[Compilation, ...]
    link: tuple[str, ...]
    library: Path


def stock_build(
    spec: ExtensionSpec,
    toolchain: Toolchain,
    folder: Path,
    deadline: float,
    *,
    limit_ms: float,
    cache_folder: Path | None = None,
    stop: Callable[[], bool] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Attempt:
    """Builds `spec` in `folder` (new or empty) as torch would. `deadline` is of `time.monotonic`.

    Raises:
        InstrumentError: out of memory, disk full, compiler gone.
        Interrupted: `stop` said so.
    """
    say = progress or (lambda message: None)
    headers = None
    if cache_folder is not None and _wants_precompiled(spec):
        began = time.monotonic()
        say("headers")
        headers = precompiled_headers(toolchain, cache_folder, spec.extra_cflags, stop)
        deadline += time.monotonic() - began  # made once for everybody, on nobody's clock
    plan = stock_plan(spec, toolchain, folder, precompiled=headers)
    try:
        write_sources(spec, folder)
    except OSError as error:
        raise instrument_error(error, "the sources cannot be written") from error
    say("compile")
    environment = toolchain.environment(folder)
    steps = _compile_all(plan.compilations, folder, environment, deadline, stop)
    diagnostics = [
        one
        for work, step in zip(plan.compilations, steps, strict=True)
        for one in parse_diagnostics(step.output, tool=work.tool, sources=[work.source])
    ]
    kernels = tuple(kernel for step in steps for kernel in parse_kernels(step.output))
    for work, step in zip(plan.compilations, steps, strict=True):
        if step.exit_code not in (None, 0):
            return _failed(work.tool, step, steps, diagnostics)
    if any(step.timed_out for step in steps):
        return Attempt(None, Timeout("build", limit_ms), tuple(steps), (), tuple(diagnostics))
    say("link")
    step = run_step("ld", plan.link, folder=folder, environment=environment, deadline=deadline, stop=stop)
    steps.append(step)
    sources = [work.source for work in plan.compilations]
    diagnostics += parse_diagnostics(step.output, tool="ld", sources=sources)
    if step.timed_out:
        return Attempt(None, Timeout("build", limit_ms), tuple(steps), kernels, tuple(diagnostics))
    if not step.ok:
        return _failed("link", step, steps, diagnostics)
    kernels = with_instructions(kernels, plan.library)
    return Attempt(plan.library, None, tuple(steps), kernels, tuple(diagnostics))


def stock_plan(spec: ExtensionSpec, toolchain: Toolchain, folder: Path, *, precompiled: Path | None = None) -> Plan:
    """The calls that torch's `load_inline` or `load` makes for `spec`, plus `ptxas -v` and the precompiled header."""
    with_cuda = spec.builds_cuda()
    includes = [*toolchain.torch_includes]
    if with_cuda and toolchain.cuda_include != Path("/usr/include"):
        includes.append(toolchain.cuda_include)
    includes.append(toolchain.python_include)
    common = [f"-DTORCH_EXTENSION_NAME={spec.name}", "-DTORCH_API_INCLUDE_EXTENSION_H"]
    common += [f"-I{shlex.quote(str(_below(folder, path)))}" for path in spec.extra_include_paths]
    common += [f"-isystem {shlex.quote(str(path))}" for path in includes]
    cflags = [*common, "-fPIC", "-std=c++17", *spec.extra_cflags]
    first = [f"-isystem {shlex.quote(str(precompiled))}"] if precompiled is not None else []
    compilations = []
    for source in spec.files():
        file = folder / source.path
        stem = Path(source.path).stem
        if with_cuda and is_cuda_file(source.path):
            target = folder / f"{stem}.cuda.o"
            words = [
                str(toolchain.nvcc),
                "-MD",
                "-MF",
                f"{target.name}.d",
                *shell_words(_nvcc_flags(spec, toolchain, common)),
            ]
            words += [PTXAS_FIGURES, "-c", str(file), "-o", target.name]
            compilations.append(Compilation("nvcc", source, target, tuple(words)))
        else:
            target = folder / f"{stem}.o"
            words = [toolchain.cxx, "-MMD", "-MF", f"{target.name}.d", *shell_words([*first, *cflags])]
            words += ["-c", str(file), "-o", target.name]
            compilations.append(Compilation("g++", source, target, tuple(words)))
    library = folder / f"{library_name(spec.name)}.so"
    link = [toolchain.cxx, *(work.object_file.name for work in compilations)]
    link += shell_words(["-shared", *_ldflags(spec, toolchain, with_cuda)])
    return Plan(tuple(compilations), (*link, "-o", library.name), library)


def write_sources(spec: ExtensionSpec, folder: Path) -> None:
    """Writes what is compiled, and the candidate's own headers, into `folder`."""
    for name, text in (*spec.headers, *((file.path, file.text) for file in spec.files())):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="replace")


def shell_words(flags: Sequence[str]) -> list[str]:
    """Flags as the compiler gets them: torch joins them by blanks, ninja expands `$`, a shell splits what is left.

    Nothing of the shell's other powers is offered: `;`, `|` and backquotes are plain characters here.
    """
    text = " ".join(flag.strip() for flag in flags)
    text = re.sub(r"\$(\$|[ :]|\{[\w.-]+\}|[\w-]+)", lambda found: _ninja_dollar(found.group(1)), text)
    try:
        return shlex.split(text)
    except ValueError:  # a quote that is never closed; the shell would refuse the line, the compiler refuses the word
        return text.split()


def library_name(name: str) -> str:
    """A file name for the module, also where its name is none."""
    return re.sub(r"[^\w.-]", "_", name).lstrip(".") or "extension"


def precompiled_headers(
    toolchain: Toolchain,
    cache_folder: Path,
    extra_cflags: Sequence[str] = (),
    stop: Callable[[], bool] | None = None,
) -> Path | None:
    """A folder whose `torch/extension.h.gch` g++ takes instead of parsing torch's headers (28 s on two cores).

    Built once for an environment and kind of optimisation, into the cache. g++ itself checks that it fits the flags
    of a call and reads the true header where it does not. None where it cannot be had, which costs only time.
    """
    kind = "optimised" if _optimises(extra_cflags) else "plain"
    words = shell_words(_header_flags(toolchain, kind))
    parts = [json_like(toolchain.identity()), *words, str(toolchain.torch_root), "with a header beside it"]
    identity = "\n".join(parts)
    target = cache_folder / "headers" / hashlib.sha256(identity.encode()).hexdigest()[:16]
    header = target / "torch" / "extension.h.gch"
    if header.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target.parent / "lock", stop):
            for left in target.parent.glob(".draft-*"):  # of a killed process; the living hold the lock
                shutil.rmtree(left, ignore_errors=True)
            if header.exists() or _precompile(toolchain, words, target, stop):
                return target
            return None
    except OSError as error:
        raise instrument_error(error, "torch's headers cannot be precompiled") from error


def _precompile(toolchain: Toolchain, flags: Sequence[str], target: Path, stop: Callable[[], bool] | None) -> bool:
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=target.parent))
    try:
        (draft / "torch").mkdir()
        # Read where g++ cannot take the precompiled header, as when a candidate includes torch's header once more.
        (draft / "torch" / "extension.h").write_text("#include_next <torch/extension.h>\n", encoding="utf-8")
        header = toolchain.torch_root / "include" / "torch" / "extension.h"
        words = [toolchain.cxx, "-x", "c++-header", str(header), "-o", str(draft / "torch" / "extension.h.gch"), *flags]
        step = run_step(
            "g++",
            words,
            folder=draft,
            environment=toolchain.environment(draft),
            deadline=time.monotonic() + PRECOMPILE_LIMIT_S,
            stop=stop,
        )
        if step.ok:
            draft.rename(target)
        return step.ok
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextlib.contextmanager
def _alone(lock: Path, stop: Callable[[], bool] | None) -> Iterator[None]:
    """One process at a time; the others wait for its work instead of doing it too."""
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if stop is not None and stop():
                    raise Interrupted from None
                time.sleep(0.1)
        yield


def json_like(identity: dict[str, str]) -> str:
    return "\n".join(f"{key}={value}" for key, value in sorted(identity.items()))


def _compile_all(
    work: Sequence[Compilation],
    folder: Path,
    environment: dict[str, str],
    deadline: float,
    stop: Callable[[], bool] | None,
) -> list[Step]:
    """All compilers at once, as ninja runs them. A failed g++ is the verdict already, so nvcc is not waited for."""
    running: list[RunningStep] = []
    try:
        for one in work:
            running.append(start_step(one.tool, one.command, folder=folder, environment=environment))
        steps: list[Step] = []
        for one, process in zip(work, running, strict=True):
            lost = any(step.exit_code not in (None, 0) for step in steps)
            steps.append(process.kill() if lost and one.tool == "nvcc" else process.wait(deadline, stop))
        return steps
    finally:
        for process in running:
            process.kill()


def _failed(
    stage: Literal["g++", "nvcc", "link"], step: Step, steps: Sequence[Step], diagnostics: Sequence[Diagnostic]
) -> Attempt:
    own = [one for one in diagnostics if _belongs(one, stage)]
    failure = CompileError(stage, summary(own, step.output), tuple(one for one in own if one.severity == "error"))
    return Attempt(None, failure, tuple(steps), (), tuple(diagnostics))


def _belongs(one: Diagnostic, stage: str) -> bool:
    return (one.tool == "ld") == (stage == "link")


def _nvcc_flags(spec: ExtensionSpec, toolchain: Toolchain, common: list[str]) -> list[str]:
    flags = [*common, *NVCC_FLAGS]
    if not any("arch" in flag and "TORCH_EXTENSION_NAME" not in flag for flag in spec.extra_cuda_cflags):
        number = toolchain.arch.removeprefix("sm_")
        # As torch does it for "9.0+PTX": beside the code for the GPU its PTX, which the CPU device executes.
        flags += [f"-gencode=arch=compute_{number},code={kind}_{number}" for kind in ("compute", "sm")]
        flags += READABLE_PTX
    flags += ["--compiler-options", "'-fPIC'", *spec.extra_cuda_cflags]
    if not any(flag.startswith("-std=") for flag in flags):
        flags.append("-std=c++17")
    compiler = os.environ.get("CC")
    return ["-ccbin", shlex.quote(compiler), *flags] if compiler else flags


def _ldflags(spec: ExtensionSpec, toolchain: Toolchain, with_cuda: bool) -> list[str]:
    flags = [*spec.extra_ldflags, f"-L{shlex.quote(str(toolchain.torch_lib))}", "-lc10"]
    flags += ["-lc10_cuda"] if with_cuda else []
    flags += ["-ltorch_cpu"]
    flags += ["-ltorch_cuda"] if with_cuda else []
    flags += ["-ltorch", "-ltorch_python"]
    if with_cuda:
        flags += [f"-L{shlex.quote(str(toolchain.cuda_lib))}", "-lcudart"]
    return flags


def _header_flags(toolchain: Toolchain, kind: str) -> list[str]:
    includes = (*toolchain.torch_includes, toolchain.cuda_include, toolchain.python_include)
    flags = ["-DTORCH_API_INCLUDE_EXTENSION_H", *(f"-isystem {shlex.quote(str(path))}" for path in includes)]
    return [*flags, "-fPIC", "-std=c++17", *(["-O3"] if kind == "optimised" else [])]


def _optimises(flags: Sequence[str]) -> bool:
    levels = re.findall(r"(?:^|\s)-O(\w*)", " ".join(flags))
    return bool(levels) and levels[-1] != "0"


def _wants_precompiled(spec: ExtensionSpec) -> bool:
    """g++ takes a precompiled header only where it is the first thing that a file includes."""
    texts = [file.text.lstrip() for file in spec.files() if not is_cuda_file(file.path)]
    return any(text.startswith("#include <torch/extension.h>") for text in texts)


def _ninja_dollar(name: str) -> str:
    return name if name in ("$", " ", ":") else ""


def _below(folder: Path, path: str) -> Path:
    return Path(os.path.normpath(folder / path))

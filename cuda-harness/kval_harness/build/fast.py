"""The fast build: torch's two files, torch's commands, but headers of ours that take a hundredth of the time.

The shim's headers declare the part of torch that kernels use with torch's own layouts and symbols, so the objects link
to torch's own libraries. What the shim cannot build, or must not judge, is declined and goes to the stock build.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kval_harness.build.diagnostics import parse_diagnostics, parse_kernels
from kval_harness.build.instructions import with_instructions
from kval_harness.build.record import Attempt, KernelUse
from kval_harness.build.shim.demand import BINDING, demand_of
from kval_harness.build.shim.operators import WORD
from kval_harness.build.shim.prepare import INCLUDE, Prepared, prepare
from kval_harness.build.spec import ExtensionSpec, SourceFile
from kval_harness.build.steps import RunningStep, Step, instrument_error, run_step, start_step
from kval_harness.build.stock import Compilation, Plan, stock_plan, write_sources
from kval_harness.build.toolchain import Toolchain
from kval_harness.build.trust import judge, must_decline
from kval_harness.outcome import Diagnostic, Timeout


def fast_build(
    spec: ExtensionSpec,
    toolchain: Toolchain,
    folder: Path,
    deadline: float,
    *,
    limit_ms: float,
    cache_folder: Path,
    stop: Callable[[], bool] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Attempt:
    """Builds `spec` in `folder` (new or empty). `deadline` is of `time.monotonic`.

    Returns a library, or a failure that torch's own headers would also give, or neither with `declined` set.

    Raises:
        InstrumentError: out of memory, disk full, compiler gone.
        Interrupted: `stop` said so.
    """
    say = progress or (lambda message: None)
    prepared = prepare(toolchain, cache_folder, stop)
    reason = must_decline(spec, prepared)
    if reason is not None:
        return Attempt(None, None, declined=reason)
    try:
        write_sources(spec, folder)
        plan = fast_plan(spec, toolchain, folder, prepared)
    except OSError as error:
        raise instrument_error(error, "the sources cannot be written") from error
    say("compile")
    steps, diagnostics = _compile(plan, folder, toolchain, deadline, stop)
    kernels = tuple(kernel for step in steps for kernel in parse_kernels(step.output))
    if not all(step.ok for step in steps):
        return _ended(spec, toolchain, prepared, steps, kernels, diagnostics, limit_ms)
    say("link")
    environment = toolchain.environment(folder)
    step = run_step("ld", plan.link, folder=folder, environment=environment, deadline=deadline, stop=stop)
    steps.append(step)
    diagnostics += parse_diagnostics(step.output, tool="ld", sources=[work.source for work in plan.compilations])
    if not step.ok:
        return _ended(spec, toolchain, prepared, steps, kernels, diagnostics, limit_ms)
    kernels = with_instructions(kernels, plan.library)
    return Attempt(plan.library, None, tuple(steps), kernels, tuple(diagnostics))


def fast_plan(spec: ExtensionSpec, toolchain: Toolchain, folder: Path, prepared: Prepared) -> Plan:
    """The stock plan with the shim in the place of torch's headers, and stubs in the place of its libraries.

    Writes the generated part of the shim into `folder`.
    """
    stock = stock_plan(spec, toolchain, folder)
    torch = {str(path) for path in toolchain.torch_includes}
    compilations = []
    for work in stock.compilations:
        first = _generated(spec, work, folder, prepared)
        command = _without_includes(work.command, torch | {str(toolchain.python_include)})
        place = command.index("-c")
        ours = [word for path in (*first, INCLUDE, prepared.real) for word in ("-isystem", str(path))]
        words = (*command[:place], *ours, *command[place:])
        compilations.append(Compilation(work.tool, work.source, work.object_file, words))
    objects = len(stock.compilations) + 1
    link = [*stock.link[:objects], str(prepared.runtime), *stock.link[objects:]]
    # The linker's default drops libraries that resolve nothing; the stubs resolve nothing and must be recorded.
    place = link.index(f"-L{toolchain.torch_lib}")
    end = max(index for index, word in enumerate(link) if word == "-ltorch_python") + 1
    stubs = ["-Wl,--push-state,--no-as-needed", f"-L{prepared.stubs}", *link[place + 1 : end], "-Wl,--pop-state"]
    link = [*link[:place], *stubs, *link[end:]]
    return Plan(tuple(compilations), tuple(link), stock.library)


def _generated(spec: ExtensionSpec, work: Compilation, folder: Path, prepared: Prepared) -> list[Path]:
    """The include folders with the part of the shim that depends on the candidate."""
    text = "\n".join([work.source.text, *(text for _, text in spec.headers)])
    binds = BINDING.search(text) is not None
    plain = work.tool == "g++" and not "".join(spec.extra_cflags).strip() and _starts_with_extension(work.source)
    if plain and not any(prepared.operators.knows(word) for word in WORD.findall(text)):
        return [prepared.precompiled, prepared.bindings]
    place = folder / f"shim-{work.object_file.stem}"
    (place / "kval").mkdir(parents=True)
    demand = demand_of(text, prepared.operators, prepared.vocabulary.late, binds=binds)
    for name, content in demand.files().items():
        (place / "kval" / name).write_text(content, encoding="utf-8", errors="replace")
    return [place]


def _starts_with_extension(source: SourceFile) -> bool:
    return source.text.lstrip().startswith("#include <torch/extension.h>")


def _without_includes(command: tuple[str, ...], folders: set[str]) -> list[str]:
    words: list[str] = []
    rest = iter(command)
    for word in rest:
        if word == "-isystem":
            folder = next(rest)
            if folder not in folders:
                words += [word, folder]
        else:
            words.append(word)
    return words


def _compile(
    plan: Plan,
    folder: Path,
    toolchain: Toolchain,
    deadline: float,
    stop: Callable[[], bool] | None,
) -> tuple[list[Step], list[Diagnostic]]:
    """All compilers at once, each to its end: a second failure may be the one that can be trusted."""
    environment = toolchain.environment(folder)
    running: list[RunningStep] = []
    try:
        for work in plan.compilations:
            running.append(start_step(work.tool, work.command, folder=folder, environment=environment))
        steps = [process.wait(deadline, stop) for process in running]
    finally:
        for process in running:
            process.kill()
    diagnostics = [
        one
        for work, step in zip(plan.compilations, steps, strict=True)
        for one in parse_diagnostics(step.output, tool=work.tool, sources=[work.source])
    ]
    return steps, diagnostics


def _ended(
    spec: ExtensionSpec,
    toolchain: Toolchain,
    prepared: Prepared,
    steps: list[Step],
    kernels: tuple[KernelUse, ...],
    diagnostics: list[Diagnostic],
    limit_ms: float,
) -> Attempt:
    """A failed attempt: the verdict where torch's headers would give it too, else declined."""
    if any(step.timed_out for step in steps):
        return Attempt(None, Timeout("build", limit_ms), tuple(steps), kernels, tuple(diagnostics))
    judged = judge(spec, toolchain, steps, diagnostics, prepared)
    if isinstance(judged, str):
        return Attempt(None, None, tuple(steps), kernels, tuple(diagnostics), declined=judged)
    return Attempt(None, judged, tuple(steps), kernels, tuple(diagnostics))

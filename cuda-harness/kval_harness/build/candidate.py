"""A candidate's build, from its text to an outcome and a record: probe, build what it asks for, judge what happened.

What the parent built decides. A candidate whose kernel did not build is a compile error, whatever its `except` did;
what its own process says only matters where no build failed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from kval_harness import probe as probing
from kval_harness.build.extension import build_extension, prepare_fast
from kval_harness.build.record import BuildRecord, ExtensionBuild
from kval_harness.build.spec import ExtensionSpec
from kval_harness.build.toolchain import Toolchain, find_toolchain
from kval_harness.contain import Channel, Json, StopSignal
from kval_harness.inspect import bare_cuda_spec
from kval_harness.outcome import (
    Built,
    CompileError,
    Diagnostic,
    InstrumentError,
    Invalid,
    LoadError,
    Outcome,
    Rejected,
    RuntimeFailure,
    Timeout,
)
from kval_harness.protocol import BuildSettings, Candidate, ProblemText

PROBE_LIMIT_S = 60.0


class Builder:
    """Answers the build calls of one candidate, in the parent, and remembers every one of them.

    One build budget (`settings.build_timeout_ms`) covers all of a candidate's extensions. The same call is built
    once, also when the probe and the execution both make it.
    """

    def __init__(
        self,
        settings: BuildSettings,
        folder: Path,
        *,
        stop: StopSignal | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._stop = stop
        self._progress = progress
        self._toolchain: Toolchain | None = None
        self._left_s = settings.build_timeout_ms / 1000
        self._built: dict[str, ExtensionBuild] = {}
        self.refusals: list[probing.Refusal] = []

    @property
    def extensions(self) -> tuple[ExtensionBuild, ...]:
        return tuple(self._built.values())

    @property
    def toolchain(self) -> Toolchain:
        """Raises InstrumentError `toolchain-missing` where there is none."""
        if self._toolchain is None:
            self._toolchain = find_toolchain(self._settings.cache_folder, self._settings.arch)
        return self._toolchain

    def build(self, request: ExtensionSpec | probing.Refusal) -> probing.Answer:
        """The answer to one call. Raises InstrumentError and Interrupted."""
        if isinstance(request, probing.Refusal):
            self.refusals.append(request)
            return probing.Answer()
        key = request.hash()
        if key not in self._built:
            self._built[key] = self._make(request)
        return _answer(self._built[key])

    def serve(self, request: Json) -> Json:
        """`build` for a child that really loads its modules; see `load_candidate`."""
        return self.build(probing.read_request(request)).to_json()

    def _make(self, spec: ExtensionSpec) -> ExtensionBuild:
        prepare_fast(self.toolchain, self._settings, self._stop)  # once for everybody, on nobody's clock
        began = time.monotonic()
        build = build_extension(
            spec,
            self.toolchain,
            self._settings,
            self._folder / "builds" / f"build-{len(self._built)}",
            began + self._left_s,
            stop=self._stop,
            progress=self._progress,
        )
        own_s = sum(step.duration_ms for step in build.steps) / 1000
        self._left_s -= 0.0 if build.cached else min(time.monotonic() - began, own_s)
        return build


def build_candidate(
    candidate: Candidate,
    problem: ProblemText | None,
    settings: BuildSettings,
    folder: Path,
    *,
    stop: StopSignal | None = None,
    progress: Callable[[str], None] | None = None,
    builder: Builder | None = None,
) -> tuple[Outcome, BuildRecord | None]:
    """Builds whatever `candidate` asks to build. `Built` where all of it builds and loads.

    The record is None where nothing was attempted. A `builder` of the caller's own keeps the libraries for an execution
    that follows.

    Raises:
        InstrumentError: the machine, the toolchain or the problem failed.
        Interrupted: `stop` said so.
    """
    began = time.monotonic()
    builder = builder or Builder(settings, folder, stop=stop, progress=progress)
    if candidate.language == "cuda":
        if not candidate.source.strip():
            return Invalid("no-kernel", "the file is empty"), None
        builder.build(bare_cuda_spec(candidate.source))
        failure = _first_failure(builder)
        return failure or Built(), _record(builder, began, None)
    if not candidate.source.strip():
        return Invalid("not-python", "the file is empty"), None
    probe = probing.probe_candidate(
        candidate.source,
        None if problem is None else problem.source,
        small=problem is not None and problem.small,
        folder=folder / "probe",
        limit_s=PROBE_LIMIT_S,
        build=builder.build,
        arch=settings.arch,
        cuda_home=_cuda_home(builder),
        stop=stop,
    )
    if not builder.extensions and problem is not None:
        _blame_missing_package(probe, problem)
    outcome = _first_failure(builder) or _without_builds(probe, builder)
    return outcome, _record(builder, began, probe)


def load_candidate(
    source: str, cuda_home: Path | None = None, before_load: Callable[[Channel, Path], None] = lambda *_: None
) -> Callable[[Channel], ModuleType]:
    """The start of a child that runs a built candidate: its build calls are answered by `Builder.serve`, and the
    libraries are loaded as torch loads them, each after a call of `before_load`. Call `load_candidate(...)(channel)`
    in the child's folder."""

    def load(channel: Channel) -> ModuleType:
        def give(spec: ExtensionSpec, answer: probing.Answer) -> object:
            assert answer.library is not None
            before_load(channel, answer.library)
            return probing.load_library(spec, answer)

        probing.install_recorders(channel.ask, give, None if cuda_home is None else str(cuda_home))
        return probing.import_candidate(source, Path.cwd())

    return load


def _first_failure(builder: Builder) -> Outcome | None:
    """The first thing that torch would have refused, in the order of the calls."""
    for build in builder.extensions:
        if build.failure is not None:
            return build.failure
    if builder.refusals:
        first = builder.refusals[0]
        message = f"{first.error_type}: {first.message}"
        return CompileError("rules", message, (Diagnostic("rules", "error", "call", None, None, None, message),))
    return None


def _without_builds(probe: probing.Probe, builder: Builder) -> Outcome:
    """The outcome where no build failed: what the candidate's Python did, or did not do."""
    built = bool(builder.extensions)
    end, facts = probe.end, probe.facts
    if end.kind == "timeout":
        return Timeout("probe", PROBE_LIMIT_S * 1000)
    if end.kind != "returned" or facts is None:
        return _died(probe)
    if not facts.is_python:
        place = f"line {facts.error_line}: " if facts.error_line is not None else ""
        return Invalid("python-error" if facts.looks_like_python else "not-python", f"{place}{facts.error}")
    if facts.backend is not None and not facts.has_build_call:
        return Invalid("other-backend", f"its kernels are written for {facts.backend}, not CUDA", facts.backend)
    if probe.problem_broken is not None and not built:
        raise InstrumentError("problem-broken", probe.problem_broken, retry=False)
    if probe.phase == "import" and probe.error_type is not None:
        if not built and probe.device_only:
            message = f"importing the candidate needs a real GPU: {probe.error_type}: {(probe.error or '')[:300]}"
            raise InstrumentError("device-lost", message, retry=False)
        if not built:
            return Invalid("python-error", f"{probe.error_type}: {probe.error}")
        if not probe.device_only and not probe.used_module:
            return RuntimeFailure("import", probe.error_type, probe.error or "")
        return Built()
    if not probe.defines_model:
        return Invalid("no-model", "the candidate defines no ModelNew")
    if built:
        return Built()
    if probe.error_type is not None and not probe.device_only and probe.phase == "construct":
        return RuntimeFailure("construct", probe.error_type, probe.error or "")
    if facts.backend is not None:
        return Invalid("other-backend", f"its kernels are written for {facts.backend}, not CUDA", facts.backend)
    return Invalid("no-kernel", _why_no_kernel(probe))


def _blame_missing_package(probe: probing.Probe, problem: ProblemText) -> None:
    """A package that the problem itself needs is missing from this environment, not from the candidate."""
    missing = re.match(r"No module named '([\w]+)", probe.error or "")
    if probe.error_type != "ModuleNotFoundError" or missing is None:
        return
    if re.search(rf"^\s*(?:import|from)\s+{missing.group(1)}\b", problem.source, re.MULTILINE):
        message = f"the problem needs the Python package {missing.group(1)!r}; install it beside torch"
        raise InstrumentError("problem-broken", message, retry=False)


def _died(probe: probing.Probe) -> Outcome:
    end = probe.end
    if end.kind == "raised":
        if end.error_type in ("MemoryError",):
            return Invalid("python-error", f"MemoryError: {end.error}")
        raise InstrumentError("internal", f"the probe failed: {end.error_type}: {end.error}", retry=True)
    if end.kind == "signalled" and end.signal == 9:
        raise InstrumentError("out-of-memory", "the candidate's process was killed; run fewer workers", retry=True)
    how = f"was ended by signal {end.signal}" if end.kind == "signalled" else f"left with exit code {end.exit_code}"
    return Invalid("python-error", f"the candidate's Python {how}: {end.stderr[-500:]}".strip())


def _why_no_kernel(probe: probing.Probe) -> str:
    message = "importing, constructing and calling the candidate asks torch to build nothing"
    if probe.error_type is not None:
        message += f" ({probe.phase} ended with {probe.error_type}: {(probe.error or '')[:300]})"
    return message


def _answer(build: ExtensionBuild) -> probing.Answer:
    """What torch would have given the candidate, in torch's words."""
    failure = build.failure
    if failure is None:
        return probing.Answer(exports=build.exports, library=build.library)
    if isinstance(failure, LoadError):
        return probing.Answer(error=failure.message, error_type="ImportError")
    said = "\n".join(step.output for step in build.steps if not step.ok)
    reason = said or _reason(failure)
    return probing.Answer(error=f"Error building extension '{build.name}': {reason}"[:20000])


def _reason(failure: CompileError | LoadError | Timeout | Rejected) -> str:
    if isinstance(failure, Timeout):
        return f"it took longer than {failure.limit_ms:.0f} ms"
    return failure.evidence if isinstance(failure, Rejected) else failure.message


def _record(builder: Builder, began: float, probe: probing.Probe | None) -> BuildRecord | None:
    if not builder.extensions and not builder.refusals:
        return None
    total_ms = (time.monotonic() - began) * 1000
    building_ms = sum(build.duration_ms for build in builder.extensions)
    warnings = []
    if probe is not None and probe.error_type is not None and _first_failure(builder) is None:
        warnings.append(f"{probe.phase} ended with {probe.error_type}: {(probe.error or '')[:500]}")
    warnings.extend(probe.findings if probe is not None else ())
    return BuildRecord(total_ms, max(0.0, total_ms - building_ms), builder.extensions, tuple(warnings))


def _cuda_home(builder: Builder) -> Path | None:
    try:
        return builder.toolchain.cuda_home
    except InstrumentError:  # a candidate that builds nothing needs no toolchain; one that does will say so
        return None

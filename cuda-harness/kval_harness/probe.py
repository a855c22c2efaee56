"""Run a candidate's Python just far enough to see what it asks torch to build.

The candidate runs in a contained child with recorders in place of `load_inline` and `load`. A recorder normalises the
call, sends the spec to the parent and waits: the parent builds, and the parent's record of that is what counts. Here
the candidate gets a stand-in for the module back, since nothing it computes without a GPU would mean anything.
"""

# Candidates hand in anything, and get anything back: Any is the honest type here.
# ruff: noqa: ANN401

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import linecache
import re
import sys
import types
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from kval_harness.build.spec import ExtensionSpec, load_inline_spec, load_spec
from kval_harness.contain import Channel, ChildEnd, Fences, Json, Limits, StopSignal, run_child
from kval_harness.findings import find_patterns
from kval_harness.inspect import Facts, read_source
from kval_harness.outcome import InstrumentError

Phase = Literal["read", "import", "construct", "forward", "done"]
MEMORY_BYTES = 8 * 1024**3
CANDIDATE_FILE = "candidate.py"
FINDINGS = 50
NO_DEVICE = re.compile(
    r"\bmeta\b|nvidia driver|no cuda gpus|cuda driver|not compiled with cuda|cuda error|fake ?tensor"
    r"|can't allocate memory",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Answer:
    """What the parent says to one build call: `exports` are the module's names, or `error` is what torch would say.

    `library` is for children that really load the module; a probe gets none.
    """

    exports: tuple[str, ...] | None = None
    error: str | None = None
    error_type: Literal["RuntimeError", "ImportError"] = "RuntimeError"
    library: Path | None = None

    def to_json(self) -> dict[str, Json]:
        return {
            "exports": None if self.exports is None else list(self.exports),
            "error": self.error,
            "errorType": self.error_type,
            "library": None if self.library is None else str(self.library),
        }


@dataclass(frozen=True)
class Refusal:
    """A call whose arguments torch does not take."""

    error_type: str
    message: str


@dataclass(frozen=True)
class Probe:
    """How far the candidate's Python came. `phase` is where it ended; `error` is what ended it, if anything.

    `device_only`: that error would not have come on a machine with a GPU, as far as can be told. `findings`: what in
    the text deserves a second look, a line each; they decide nothing.
    """

    end: ChildEnd
    facts: Facts | None
    phase: Phase
    defines_model: bool
    error_type: str | None
    error: str | None
    device_only: bool
    used_module: bool
    problem_broken: str | None
    findings: tuple[str, ...] = ()


def probe_candidate(
    source: str,
    problem_source: str | None,
    *,
    folder: Path,
    limit_s: float,
    build: Callable[[ExtensionSpec | Refusal], Answer],
    small: bool = False,
    arch: str = "sm_90",
    cuda_home: Path | None = None,
    stop: StopSignal | None = None,
) -> Probe:
    """Runs `source` in a child in `folder`; `build` answers each of its calls, in order, on its own clock.

    `problem_source` gives `ModelNew` its arguments and `forward` its shapes where importing makes no build call.

    Raises:
        Interrupted: `stop` said so. Whatever `build` raises.
    """

    _preload()

    def serve(request: Json) -> Json:
        return build(read_request(request)).to_json()

    end = run_child(
        functools.partial(_life, source, problem_source, small, arch, None if cuda_home is None else str(cuda_home)),
        folder=folder,
        limits=Limits(wall_s=limit_s, memory_bytes=MEMORY_BYTES),
        serve=serve,
        clock_stops_while_serving=True,
        fences=Fences(),
        stop=stop,
    )
    said = end.value if end.kind == "returned" and isinstance(end.value, dict) else {}
    facts = said.get("facts")
    return Probe(
        end=end,
        facts=Facts(**facts) if isinstance(facts, dict) else None,  # type: ignore[arg-type]
        phase=cast(Phase, said.get("phase", "import")),
        defines_model=said.get("definesModel") is True,
        error_type=_text(said.get("errorType")),
        error=_text(said.get("error")),
        device_only=said.get("deviceOnly") is True,
        used_module=said.get("usedModule") is True,
        problem_broken=_text(said.get("problemBroken")),
        findings=_lines(said.get("findings")),
    )


@functools.cache
def _preload() -> None:
    """What nearly every probe needs, imported once before the fork: it would take each child seconds.

    None of it touches a GPU, which a process that forks must not.
    """
    with suppress(ImportError):  # a child says so better
        import torch._refs
        import torch.fx.experimental.symbolic_shapes
        import torch.utils.cpp_extension  # noqa: F401


def install_recorders(
    ask: Callable[[Json], Json], give: Callable[[ExtensionSpec, Answer], Any], cuda_home: str | None = None
) -> None:
    """Puts recorders in the place of torch's `load_inline` and `load`, in this process and for good.

    `ask` carries a request to the parent; `give` turns a successful answer into what the call returns.
    """
    from torch.utils import cpp_extension

    names = _Versions()

    def record(normalise: Callable[..., ExtensionSpec], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        try:
            spec = names.versioned(normalise(*args, **kwargs))
        except Exception as error:
            ask({"call": "refused", "errorType": type(error).__name__, "message": str(error)})
            raise
        answer = _read_answer(ask({"call": "build", "spec": spec.to_json()}))
        if answer.error is not None:
            raise (ImportError if answer.error_type == "ImportError" else RuntimeError)(answer.error)
        return give(spec, answer)

    def load_inline(*args: Any, **kwargs: Any) -> Any:
        return record(load_inline_spec, args, kwargs)

    def load(*args: Any, **kwargs: Any) -> Any:
        return record(load_spec, args, kwargs)

    cpp_extension.load_inline = functools.wraps(cpp_extension.load_inline)(load_inline)
    cpp_extension.load = functools.wraps(cpp_extension.load)(load)
    cpp_extension.verify_ninja_availability = lambda: None
    if cuda_home is not None:
        cpp_extension.CUDA_HOME = cuda_home


def import_candidate(source: str, folder: Path) -> types.ModuleType:
    """Runs a candidate's text as the module `candidate`, from a file, as evaluators of KernelBench do.

    `inspect.getsource` works on it, which TorchScript needs. Raises whatever the candidate raises.
    """
    path = folder / CANDIDATE_FILE
    path.write_text(source, encoding="utf-8", errors="surrogatepass")
    module = types.ModuleType("candidate")
    module.__file__ = str(path)
    sys.modules["candidate"] = module
    linecache.checkcache(str(path))
    exec(compile(source, str(path), "exec"), vars(module))
    return module


def load_library(spec: ExtensionSpec, answer: Answer) -> Any:
    """What torch's loader does with a built library: imports the module, or loads the operators in it.

    Raises ImportError or OSError as torch's loader would.
    """
    import torch

    assert answer.library is not None
    if not spec.is_python_module:
        torch.ops.load_library(str(answer.library))
        return str(answer.library)
    loader = importlib.machinery.ExtensionFileLoader(spec.name, str(answer.library))
    found = importlib.util.spec_from_file_location(spec.name, str(answer.library), loader=loader)
    assert found is not None
    module = importlib.util.module_from_spec(found)
    loader.exec_module(module)
    return module


class _Versions:
    """Torch's names for repeated calls: another source under a name that is taken becomes `name_v1`, `name_v2`, ..."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, str]] = {}

    def versioned(self, spec: ExtensionSpec) -> ExtensionSpec:
        version, last = self._seen.get(spec.name, (0, spec.hash()))
        if last != spec.hash():
            version += 1
        self._seen[spec.name] = (version, spec.hash())
        return replace(spec, name=f"{spec.name}_v{version}") if version else spec


class _Module(types.ModuleType):
    """The stand-in for a built module: its names are there, and calling them gives back the first tensor."""

    def __init__(self, spec: ExtensionSpec, exports: tuple[str, ...] | None, used: Callable[[], None]) -> None:
        super().__init__(spec.name)
        self._exports = exports
        self._used = used

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or (self._exports is not None and name not in self._exports):
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")
        return self._call

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        import torch

        self._used()
        return next((value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)), None)


def _life(
    source: str, problem_source: str | None, small: bool, arch: str, cuda_home: str | None, channel: Channel
) -> Json:
    """The child's life: read, import, and, as long as nothing was built, construct and call."""
    facts = read_source(source)
    report: dict[str, Json] = {"facts": cast(Json, vars(facts)), "phase": "read", "definesModel": facts.defines_model}
    found: list[Json] = [f"line {one.line}: {one.kind}: {one.text}" for one in find_patterns(source)[:FINDINGS]]
    report["findings"] = found
    if not facts.is_python or (facts.backend is not None and not facts.has_build_call):
        return report
    from kval_harness.pretend import pretend_cuda

    calls = 0

    def ask(request: Json) -> Json:
        nonlocal calls
        calls += 1
        return channel.ask(request)

    def used() -> None:
        report["usedModule"] = True

    install_recorders(ask, lambda spec, answer: _stand_in(spec, answer, used), cuda_home)
    with pretend_cuda(arch):
        try:
            report["phase"] = "import"
            module = import_candidate(source, Path.cwd())
            model = getattr(module, "ModelNew", None)
            report["definesModel"] = model is not None
            if model is None:
                return report
            report["phase"] = "construct"
            try:
                args, kwargs, inputs = _arguments(problem_source, module, small)
            except InstrumentError as error:
                report["problemBroken"] = error.message
                return report
            instance = _construct(model, args, kwargs)
            if calls == 0:
                report["phase"] = "forward"
                _forward(instance, inputs)
            report["phase"] = "done"
        except BaseException as error:  # whatever the candidate does ends here
            if report["phase"] in ("construct", "forward") and calls > 0:
                report["phase"] = "done"  # the calls are known; what follows them means nothing on meta tensors
            else:
                report.update(errorType=type(error).__name__, error=_message(error), deviceOnly=_needs_device(error))
    return report


def _stand_in(spec: ExtensionSpec, answer: Answer, used: Callable[[], None]) -> Any:
    return _Module(spec, answer.exports, used) if spec.is_python_module else str(Path.cwd() / f"{spec.name}.so")


def _arguments(
    problem_source: str | None, module: types.ModuleType, small: bool
) -> tuple[list[Any], dict[str, Any], Callable[[], list[Any]]]:
    """What to construct with, and a way to get inputs: the problem's own, else the candidate file's."""
    import torch

    from kval_harness.problem import load_problem, split_init

    if problem_source is not None:
        problem = load_problem(problem_source, small=small)
        with torch.device("meta"):
            args, kwargs = problem.init_inputs()
        return args, kwargs, problem.inputs
    own_init = getattr(module, "get_init_inputs", None)
    own_inputs = getattr(module, "get_inputs", None)
    args, kwargs = split_init(own_init()) if callable(own_init) else ([], {})
    return args, kwargs, lambda: list(own_inputs()) if callable(own_inputs) else []


def _construct(model: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """On meta tensors, which cost nothing; once more on real ones where a candidate wants values of its weights."""
    import torch

    try:
        with torch.device("meta"):
            return model(*args, **kwargs)
    except Exception as error:
        if not _needs_device(error):
            raise
        with torch.device("cpu"):
            return model(*args, **kwargs)


def _forward(instance: Any, inputs: Callable[[], list[Any]]) -> None:
    import torch

    with ExitStack() as stack:
        stack.enter_context(torch.device("meta"))
        stack.enter_context(torch.no_grad())
        values = inputs()
        if isinstance(instance, torch.nn.Module):
            instance = instance.to("meta")
        instance(*values)


def _needs_device(error: BaseException) -> bool:
    """Whether an error comes from a GPU that is not there, or from tensors without values."""
    return NO_DEVICE.search(f"{type(error).__name__}: {_message(error)}") is not None


def read_request(request: Json) -> ExtensionSpec | Refusal:
    """What the child sent; it may have sent anything."""
    if isinstance(request, dict) and request.get("call") == "build" and isinstance(request.get("spec"), dict):
        try:
            return ExtensionSpec.from_json(cast("dict[str, Any]", request["spec"]))
        except (ValueError, TypeError, KeyError) as error:
            return Refusal(type(error).__name__, str(error))
    if isinstance(request, dict) and request.get("call") == "refused":
        return Refusal(_text(request.get("errorType")) or "Exception", _text(request.get("message")) or "")
    return Refusal("ValueError", "not a build call")


def _read_answer(answer: Json) -> Answer:
    if not isinstance(answer, dict):
        raise RuntimeError("the harness gave no answer")
    exports, library = answer.get("exports"), _text(answer.get("library"))
    return Answer(
        exports=tuple(str(name) for name in exports) if isinstance(exports, list) else None,
        error=_text(answer.get("error")),
        error_type="ImportError" if answer.get("errorType") == "ImportError" else "RuntimeError",
        library=None if library is None else Path(library),
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)[:8000]
    except BaseException:  # an exception class of the candidate's own may do anything
        return "(an exception that cannot be shown)"


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _lines(value: Json) -> tuple[str, ...]:
    return tuple(one[:300] for one in value[:FINDINGS] if isinstance(one, str)) if isinstance(value, list) else ()

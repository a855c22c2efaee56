"""A candidate from text to outcome. The builds are real, and quick because they need no header of torch's."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kval_harness.build import candidate as building
from kval_harness.build.cache import BuildCache
from kval_harness.build.candidate import Builder, build_candidate, load_candidate
from kval_harness.build.record import BuildRecord
from kval_harness.build.toolchain import find_toolchain
from kval_harness.contain import Interrupted, Limits, run_child
from kval_harness.outcome import (
    Built,
    CompileError,
    InstrumentError,
    Invalid,
    LoadError,
    Outcome,
    Rejected,
    RuntimeFailure,
    Timeout,
)
from kval_harness.protocol import BuildSettings, Candidate, ProblemText

KERNEL = """
#include <cuda_runtime.h>
__global__ void fill(float *out, int n) { if (threadIdx.x < n) out[threadIdx.x] = 1.0f; }
int launch(int n) { return n + 39; }
"""
BIND = """
#include <Python.h>
int launch(int);
static PyObject *run(PyObject *, PyObject *) { return PyLong_FromLong(launch(3)); }
static PyMethodDef methods[] = {{"run", run, METH_NOARGS, "runs"}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "tiny", nullptr, -1, methods};
PyMODINIT_FUNC PyInit_tiny() { return PyModule_Create(&module); }
"""
MODEL = """
class ModelNew(torch.nn.Module):
    def forward(self, x):
        return tiny.run() if tiny is not None else x
"""
PROBLEM = """
import torch
class Model(torch.nn.Module):
    def forward(self, x): return x
def get_inputs(): return [torch.rand(4)]
def get_init_inputs(): return []
"""
HEAD = "import torch\nfrom pathlib import Path\nfrom torch.utils.cpp_extension import load, load_inline\n"


def candidate(
    *, kernel: str = KERNEL, bind: str = BIND, build: str | None = None, after: str = "", model: str = MODEL
) -> str:
    write = f"Path('tiny_kernel.cu').write_text({kernel!r})\nPath('tiny.cpp').write_text({bind!r})\n"
    call = build or "tiny = load('tiny', ['tiny.cpp', 'tiny_kernel.cu'])"
    return f"{HEAD}{write}{call}\n{after}\n{model}"


Build = Callable[..., tuple[Outcome, BuildRecord | None]]


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    try:
        find_toolchain(folder)
    except InstrumentError as error:
        pytest.skip(error.message)
    return folder


def _settings(cache_folder: Path, timeout_ms: float = 60_000) -> BuildSettings:
    return BuildSettings("sm_90", "stock", timeout_ms, cache_folder, 10**9)


@pytest.fixture
def build(cache_folder: Path, tmp_path: Path) -> Build:
    def one(source: str, language: str = "python", timeout_ms: float = 60_000, **more: object) -> object:
        assert language in ("python", "cuda")
        asked = Candidate(source, "cuda" if language == "cuda" else "python")
        problem = ProblemText(PROBLEM, False)
        return build_candidate(asked, problem, _settings(cache_folder, timeout_ms), tmp_path, **more)  # type: ignore[arg-type]

    return one  # type: ignore[return-value]


def test_a_candidate_that_builds(build: Build) -> None:
    outcome, record = build(candidate())
    assert outcome == Built() and record is not None
    (made,) = record.extensions
    assert (made.name, made.path, made.cached, made.exports) == ("tiny", "stock", False, ("run",))
    assert [step.tool for step in made.steps] == ["g++", "nvcc", "ld"]
    assert all(step.exit_code == 0 and step.command and step.duration_ms > 0 for step in made.steps)
    assert [kernel.name for kernel in made.kernels] == ["fill(float*, int)"]
    assert record.duration_ms >= made.duration_ms and record.warnings == ()


def test_the_same_candidate_again_comes_from_the_cache(build: Build) -> None:
    build(candidate())
    began = time.monotonic()
    outcome, record = build(candidate())
    assert outcome == Built() and record is not None and record.extensions[0].cached
    assert record.extensions[0].kernels and record.extensions[0].steps and record.extensions[0].exports == ("run",)
    assert record.extensions[0].library is not None and record.extensions[0].library.exists()
    assert time.monotonic() - began < 3


HIDDEN = "try:\n    tiny = load('tiny', ['tiny.cpp', 'tiny_kernel.cu'])\nexcept Exception:\n    tiny = None"


@pytest.mark.parametrize("how", [None, HIDDEN])
def test_a_kernel_that_does_not_build_is_a_compile_error_also_when_hidden(how: str | None, build: Build) -> None:
    source = candidate(kernel=KERNEL.replace("1.0f", "missing"), build=how)
    for cached in (False, True):
        outcome, record = build(source)
        assert isinstance(outcome, CompileError) and outcome.stage == "nvcc"
        assert (outcome.diagnostics[0].file, outcome.diagnostics[0].line) == ("tiny_kernel.cu", 3)
        assert record is not None and record.extensions[0].cached is (cached or how is not None)
        assert any('identifier "missing" is undefined' in step.output for step in record.extensions[0].steps)


@pytest.mark.parametrize(
    "change, stage",
    [
        (dict(bind=BIND.replace("PyModule_Create", "undeclared")), "g++"),
        (dict(bind=BIND + "int launch(int n) { return n; }"), "link"),
        (dict(bind="int f() { return 0; }"), "rules"),
        (dict(build="tiny = load('tiny', sources=['tiny.cpp'], cuda_sources='x')"), "rules"),
        (dict(build="tiny = load('tiny', ['nowhere.cpp'])"), "rules"),
    ],
)
def test_whose_compile_error_it_is(change: dict[str, str], stage: str, build: Build) -> None:
    outcome, record = build(candidate(**change))
    assert isinstance(outcome, CompileError) and outcome.stage == stage and outcome.message and outcome.diagnostics
    assert record is not None


def test_undefined_symbols_are_a_load_error(build: Build) -> None:
    for cached in (False, True):
        outcome, record = build(candidate(build="tiny = load('tiny', ['tiny.cpp'])"))
        assert isinstance(outcome, LoadError) and outcome.undefined_symbols == ("launch(int)",)
        assert record is not None and record.extensions[0].cached is cached


def test_a_flag_that_runs_a_program_is_rejected(build: Build, tmp_path: Path) -> None:
    call = (
        f"tiny = load('tiny', ['tiny.cpp', 'tiny_kernel.cu'], extra_cflags=['-wrapper', 'touch,{tmp_path}/was-here'])"
    )
    outcome, _ = build(candidate(build=call))
    assert isinstance(outcome, Rejected) and outcome.cheat == "compiler-flag"
    assert not (tmp_path / "was-here").exists()


@pytest.mark.parametrize(
    "source, reason",
    [
        ("", "not-python"),
        ("Here is your kernel.\n", "not-python"),
        (HEAD + "class ModelNew(:\n", "python-error"),
        (HEAD + "undefined\n" + MODEL, "python-error"),
        (HEAD + "import os\nos._exit(0)\n" + MODEL, "python-error"),
        (HEAD + "import ctypes\nctypes.string_at(1)\n" + MODEL, "python-error"),
        (HEAD + "x = 1\n", "no-model"),
        (HEAD.replace("load, load_inline", "load") + "tiny = None\n" + MODEL, "no-kernel"),
        ("import torch\nimport triton\n@triton.jit\ndef k(): pass\n" + MODEL, "other-backend"),
    ],
)
def test_what_is_no_cuda_candidate(source: str, reason: str, build: Build) -> None:
    outcome, record = build(source)
    assert isinstance(outcome, Invalid) and outcome.reason == reason and outcome.message
    assert record is None


def test_a_failed_build_comes_before_what_python_did_next(build: Build) -> None:
    broken = KERNEL.replace("1.0f", "missing")
    for after in ("undefined", "import os\nos._exit(1)", "raise SystemExit"):
        outcome, _ = build(candidate(kernel=broken, build=HIDDEN, after=after))
        assert isinstance(outcome, CompileError), after
    outcome, _ = build(candidate(kernel=broken, build=HIDDEN, model=""))
    assert isinstance(outcome, CompileError)


def test_a_name_that_the_module_does_not_have(build: Build) -> None:
    outcome, record = build(candidate(after="tiny.walk"))
    assert isinstance(outcome, RuntimeFailure) and (outcome.phase, outcome.error) == ("import", "AttributeError")
    assert record is not None and record.extensions[0].failure is None


def test_a_model_that_cannot_be_constructed(build: Build) -> None:
    outcome, _ = build(HEAD + MODEL.replace("def forward", "def __init__(self, a): pass\n    def forward"))
    assert isinstance(outcome, RuntimeFailure) and (outcome.phase, outcome.error) == ("construct", "TypeError")


def test_a_build_that_takes_too_long(build: Build, cache_folder: Path) -> None:
    slow = "#include <cub/cub.cuh>\n" + KERNEL
    outcome, record = build(candidate(kernel=slow), timeout_ms=700)
    assert outcome == Timeout("build", 700)
    assert record is not None and any(step.exit_code is None for step in record.extensions[0].steps)
    key = record.extensions[0].key
    with BuildCache(cache_folder, 10**9).use(key) as entry:
        assert entry is None, "a time-out is no verdict about the source"


def test_a_candidate_that_never_ends(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "PROBE_LIMIT_S", 1.0)
    outcome, _ = build(HEAD + "while True: pass\n")
    assert outcome == Timeout("probe", 1000)
    outcome, record = build(candidate(kernel=KERNEL.replace("1.0f", "missing"), build=HIDDEN, after="while True: pass"))
    assert isinstance(outcome, CompileError) and record is not None


def test_a_job_can_be_stopped_in_a_build(build: Build) -> None:
    slow = "#include <cub/cub.cuh>\n// stopped\n" + KERNEL
    asked = itertools.count()
    with pytest.raises(Interrupted):
        build(candidate(kernel=slow), stop=lambda: next(asked) > 12)


def test_a_bare_cuda_file(build: Build) -> None:
    outcome, record = build(KERNEL, "cuda")
    assert outcome == Built() and record is not None and record.extensions[0].kernels
    outcome, _ = build(KERNEL.replace("1.0f", "missing"), "cuda")
    assert isinstance(outcome, CompileError) and outcome.diagnostics[0].file == "candidate.cu"
    outcome, record = build(" \n", "cuda")
    assert isinstance(outcome, Invalid) and record is None


def test_a_missing_compiler_is_the_instruments_failure(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*args: object) -> None:
        raise InstrumentError("toolchain-missing", "no nvcc; install it", retry=False)

    monkeypatch.setattr(building, "find_toolchain", missing)
    with pytest.raises(InstrumentError, match="no nvcc"):
        build(candidate(kernel=KERNEL + "// not cached"))
    outcome, _ = build(HEAD + "x = 1\n")
    assert isinstance(outcome, Invalid), "what builds nothing needs no compiler"


def test_what_only_a_gpu_can_tell_is_not_guessed(build: Build) -> None:
    with pytest.raises(InstrumentError, match="needs a real GPU"):
        build(HEAD + "raise RuntimeError('Found no NVIDIA driver on your system')\n" + MODEL)
    outcome, _ = build(HEAD + "metadata\n" + MODEL)
    assert isinstance(outcome, Invalid) and outcome.reason == "python-error"


def test_a_broken_problem_is_the_instruments_failure(cache_folder: Path, tmp_path: Path) -> None:
    asked = Candidate(HEAD + "tiny = None\n" + MODEL, "python")
    with pytest.raises(InstrumentError) as failed:
        build_candidate(asked, ProblemText("import torch\n", False), _settings(cache_folder), tmp_path)
    assert failed.value.code == "problem-broken"


@pytest.mark.parametrize("problem, fault", [("import no_such_package\n" + PROBLEM, "problem"), (PROBLEM, "candidate")])
def test_a_missing_package_is_the_problems_fault_where_it_needs_it_too(
    problem: str, fault: str, cache_folder: Path, tmp_path: Path
) -> None:
    asked = Candidate(HEAD + "from no_such_package import x\n" + MODEL, "python")
    if fault == "problem":
        with pytest.raises(InstrumentError, match="no_such_package"):
            build_candidate(asked, ProblemText(problem, False), _settings(cache_folder), tmp_path)
    else:
        outcome, _ = build_candidate(asked, ProblemText(problem, False), _settings(cache_folder), tmp_path)
        assert isinstance(outcome, Invalid) and outcome.reason == "python-error"


def test_the_record_goes_over_the_wire(build: Build) -> None:
    _, record = build(candidate())
    assert record is not None
    wire = json.loads(json.dumps(record.to_json(), allow_nan=False))
    assert set(wire) == {"durationMs", "probeMs", "extensions", "warnings"}
    (made,) = wire["extensions"]
    names = {"name", "path", "cached", "key", "durationMs", "fallbackReason", "steps", "kernels", "diagnostics"}
    assert set(made) == names and len(made["key"]) == 64
    assert set(made["steps"][0]) == {"tool", "command", "exitCode", "durationMs", "stdout", "stderr"}
    assert set(made["kernels"][0]) == {
        "name",
        "arch",
        "registers",
        "sharedBytes",
        "constantBytes",
        "stackBytes",
        "spillStoreBytes",
        "spillLoadBytes",
        "instructions",
    }
    assert wire["extensions"][0]["kernels"][0]["instructions"]["globalStore"] == 1


def test_a_child_runs_what_was_built(cache_folder: Path, tmp_path: Path) -> None:
    """What an execution does: the probe's builder answers again, and the child loads the real module."""
    builder = Builder(_settings(cache_folder), tmp_path)
    source = candidate()
    asked = Candidate(source, "python")
    outcome, _ = build_candidate(asked, None, _settings(cache_folder), tmp_path, builder=builder)
    assert outcome == Built()
    load = load_candidate(source)
    end = run_child(
        lambda channel: load(channel).ModelNew()(None), folder=tmp_path / "run", limits=Limits(30), serve=builder.serve
    )
    assert (end.kind, end.value) == ("returned", 42), end.error
    assert len(builder.extensions) == 1


def test_many_calls_of_one_source_are_one_build(build: Build) -> None:
    call = "for _ in range(5):\n    tiny = load('tiny', ['tiny.cpp', 'tiny_kernel.cu'])"
    outcome, record = build(candidate(build=call))
    assert outcome == Built() and record is not None and len(record.extensions) == 1

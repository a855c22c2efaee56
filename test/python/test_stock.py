"""The stock build against torch itself: same files, commands and complaints; and real builds without its headers."""

from __future__ import annotations

import inspect
import itertools
import multiprocessing
import re
import shlex
import subprocess
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch.utils.cpp_extension as cpp_extension
from kval_harness.build.load_check import Loaded, check_load
from kval_harness.build.spec import ExtensionSpec, load_inline_spec, load_spec
from kval_harness.build.stock import (
    PTXAS_FIGURES,
    READABLE_PTX,
    precompiled_headers,
    shell_words,
    stock_build,
    stock_plan,
)
from kval_harness.build.toolchain import Toolchain
from kval_harness.contain import Interrupted
from kval_harness.outcome import CompileError, InstrumentError, LoadError, Timeout

CPP = "torch::Tensor f(torch::Tensor x);"
CUDA = "torch::Tensor f(torch::Tensor x) { return x; }"
names = (f"parity_{number}" for number in itertools.count())


INLINE_CALLS: dict[str, Callable[[], dict[str, Any]]] = {
    "plain": lambda: dict(cpp_sources=CPP, cuda_sources=CUDA, functions=["f"]),
    "lists": lambda: dict(cpp_sources=[CPP, "// more"], cuda_sources=[CUDA, "// more\n"], functions=["f", "f"]),
    "one function as text": lambda: dict(cpp_sources=CPP, cuda_sources=CUDA, functions="f"),
    "docs": lambda: dict(cpp_sources=CPP, cuda_sources=CUDA, functions={"f": "what f does"}),
    "own module": lambda: dict(cpp_sources=CPP + "\nPYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {}", cuda_sources=CUDA),
    "no cuda": lambda: dict(cpp_sources=CUDA, functions=["f"]),
    "forced cuda": lambda: dict(cpp_sources=CUDA, functions=["f"], with_cuda=True),
    "empty cpp": lambda: dict(cpp_sources="", cuda_sources=CUDA, functions=["f"]),
    "no cpp": lambda: dict(cpp_sources=[], cuda_sources=CUDA, functions=["f"]),
    "no headers": lambda: dict(cpp_sources=CPP, cuda_sources=CUDA, functions=["f"], no_implicit_headers=True),
    "no wrapping": lambda: dict(cpp_sources=CPP, functions=["f"], with_pytorch_error_handling=False),
    "flags": lambda: dict(
        cpp_sources=CPP,
        cuda_sources=CUDA,
        functions=["f"],
        extra_cflags=[" -O3 ", "-DX='a b'"],
        extra_cuda_cflags=["-O3", "--use_fast_math", "-Xcompiler -Wall"],
        extra_ldflags=["-lcublas", "-Wl,-rpath,$ORIGIN"],
        extra_include_paths=["/opt/some where"],
        verbose=True,
    ),
    "own architecture": lambda: dict(
        cpp_sources=CPP, cuda_sources=CUDA, extra_cuda_cflags=["-gencode", "arch=compute_80,code=sm_80", "-std=c++20"]
    ),
    "flags as text": lambda: dict(cpp_sources=CPP, cuda_sources=CUDA, functions=["f"], extra_cflags="-O3"),
}


@pytest.mark.parametrize("call", INLINE_CALLS)
def test_writes_the_files_and_commands_that_torch_writes(
    call: str, toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next(names)
    spec = load_inline_spec(name, **INLINE_CALLS[call]())
    build = tmp_path / "build"
    build.mkdir()
    _let_torch_write(monkeypatch, toolchain)
    cpp_extension.load_inline(name, build_directory=str(build), **INLINE_CALLS[call]())
    for file in spec.files():
        assert (build / file.path).read_text() == file.text
    assert sorted(path.name for path in build.iterdir() if path.suffix in (".cpp", ".cu")) == sorted(
        file.path for file in spec.files()
    )
    assert _our_commands(spec, toolchain, build) == _ninja_commands(build)


def test_load_writes_the_commands_that_torch_writes(
    toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bind.cpp").write_text("// bindings")
    Path("kernel.cu").write_text("// kernels")
    name = next(names)
    arguments: dict[str, Any] = dict(sources=["bind.cpp", str(tmp_path / "kernel.cu")], extra_cuda_cflags=["-O3"])
    spec = load_spec(name, **arguments)
    _let_torch_write(monkeypatch, toolchain)
    cpp_extension.load(name, build_directory=str(tmp_path), **arguments)
    assert spec.sources == (("bind.cpp", "// bindings"), ("kernel.cu", "// kernels"))
    assert _our_commands(spec, toolchain, tmp_path) == _ninja_commands(tmp_path)


BAD_CALLS: dict[str, Callable[[], dict[str, Any]]] = {
    "functions as tuple": lambda: dict(cpp_sources=CPP, functions=("f",)),
    "cpp as tuple": lambda: dict(cpp_sources=(CPP,), functions=["f"]),
    "cpp as None": lambda: dict(cpp_sources=None, functions=["f"]),
    "cuda as tuple": lambda: dict(cpp_sources=CPP, cuda_sources=(CUDA,), functions=["f"]),
    "cuda as bytes in a list": lambda: dict(cpp_sources=CPP, cuda_sources=[b"code"], functions=["f"]),
    "cpp as number in a list": lambda: dict(cpp_sources=[3]),
    "ldflags as text": lambda: dict(cpp_sources=CPP, functions=["f"], extra_ldflags="-lm"),
    "flags as number": lambda: dict(cpp_sources=CPP, functions=["f"], extra_cflags=3),
    "flag as number": lambda: dict(cpp_sources=CPP, functions=["f"], extra_cflags=[3]),
    "no cpp_sources": lambda: dict(functions=["f"]),
    "unknown argument": lambda: dict(cpp_sources=CPP, cpp_source=CPP),
}


@pytest.mark.parametrize("call", BAD_CALLS)
def test_refuses_what_torch_refuses_in_torchs_words(
    call: str, toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _let_torch_write(monkeypatch, toolchain)
    with pytest.raises(Exception) as torchs:
        cpp_extension.load_inline(next(names), build_directory=str(tmp_path), **BAD_CALLS[call]())
    with pytest.raises(Exception) as ours:
        load_inline_spec(next(names), **BAD_CALLS[call]())
    assert type(ours.value) is type(torchs.value)
    assert str(ours.value) == str(torchs.value)


@pytest.mark.parametrize(
    "torchs, ours", [(cpp_extension.load_inline, load_inline_spec), (cpp_extension.load, load_spec)]
)
def test_takes_the_arguments_that_torch_takes(torchs: Callable[..., Any], ours: Callable[..., Any]) -> None:
    def shape(function: Callable[..., Any]) -> list[tuple[str, Any]]:
        return [(one.name, one.default) for one in inspect.signature(function).parameters.values()]

    assert shape(ours) == shape(torchs)


def test_a_list_used_twice_grows_as_it_does_with_torch() -> None:
    sources = [CUDA]
    first = load_inline_spec("one", sources, functions=["f"])
    second = load_inline_spec("two", sources, functions=["f"])
    assert first.cpp_sources == (CUDA,)
    assert second.files()[0].text.count("PYBIND11_MODULE") == 2


def test_spec_survives_json_and_names_itself_by_content() -> None:
    spec = load_inline_spec("x", CPP, CUDA, functions={"f": "doc"}, extra_cflags=["-O3"])
    again = ExtensionSpec.from_json(spec.to_json())
    assert again == spec and again.hash() == spec.hash()
    assert (
        load_inline_spec("x", CPP, CUDA, functions={"f": "doc"}, extra_cflags=["-O3"], use_pch=True).hash()
        == spec.hash()
    )
    assert load_inline_spec("x", CPP, CUDA, functions={"f": "doc"}).hash() != spec.hash()


@pytest.mark.parametrize("path", ["../x.h", "/etc/x.h", "a/../../x.h", ""])
def test_a_spec_cannot_name_files_outside_its_folder(path: str) -> None:
    data = load_inline_spec("x", CPP).to_json()
    data["headers"] = [[path, "text"]]
    with pytest.raises(ValueError, match="outside its folder"):
        ExtensionSpec.from_json(data)


@pytest.mark.parametrize(
    "flags, words",
    [
        (["-DX='a b'", " -O3 "], ["-DX=a b", "-O3"]),
        (["-Wl,-rpath,$ORIGIN"], ["-Wl,-rpath,"]),
        (["-DPRICE=$$5"], ["-DPRICE=$5"]),
        (["-DA; rm -rf /"], ["-DA;", "rm", "-rf", "/"]),
        (["-DX='open"], ["-DX='open"]),
    ],
)
def test_flags_become_the_words_that_ninja_and_a_shell_make(flags: list[str], words: list[str]) -> None:
    assert shell_words(flags) == words


# --- real builds, small because they need no header of torch's -------------------------------------------------------

MODULE = textwrap.dedent(
    """
    #include <Python.h>
    extern int launch(int);
    static PyObject *run(PyObject *, PyObject *) { return PyLong_FromLong(launch(3)); }
    static PyMethodDef methods[] = {{"run", run, METH_NOARGS, "runs"}, {nullptr, nullptr, 0, nullptr}};
    static PyModuleDef module = {PyModuleDef_HEAD_INIT, "tiny", nullptr, -1, methods};
    PyMODINIT_FUNC PyInit_tiny() { return PyModule_Create(&module); }
    """
)
KERNEL = textwrap.dedent(
    """
    #include <cuda_runtime.h>
    __global__ void fill(float *out, int n) { if (threadIdx.x < n) out[threadIdx.x] = 1.0f; }
    int launch(int n) { fill<<<1, 32>>>(nullptr, n); return n; }
    """
)


def _spec(*, module: str = MODULE, kernel: str | None = KERNEL, **more: Any) -> ExtensionSpec:  # noqa: ANN401
    sources = [("tiny.cpp", module)] + ([("tiny.cu", kernel)] if kernel is not None else [])
    return ExtensionSpec(kind="load", name="tiny", sources=tuple(sources), **more)


def test_builds_a_module_that_loads_and_tells_what_its_kernels_take(toolchain: Toolchain, tmp_path: Path) -> None:
    made = stock_build(_spec(), toolchain, tmp_path / "b", _soon(), limit_ms=1)
    assert made.failure is None and made.library is not None
    assert [step.tool for step in made.steps] == ["g++", "nvcc", "ld"]
    assert [(kernel.name, kernel.arch) for kernel in made.kernels] == [("fill(float*, int)", "sm_90")]
    assert made.kernels[0].registers and made.kernels[0].spill_store_bytes == 0
    loaded = check_load(
        made.library, "tiny", is_python_module=True, folder=tmp_path / "l", environment=toolchain.environment(tmp_path)
    )
    assert isinstance(loaded, Loaded) and loaded.exports == ("run",)


def test_a_kernel_error_is_nvccs_at_the_candidates_line(toolchain: Toolchain, tmp_path: Path) -> None:
    made = stock_build(_spec(kernel=KERNEL.replace("1.0f", "missing")), toolchain, tmp_path / "b", _soon(), limit_ms=1)
    assert isinstance(made.failure, CompileError) and made.failure.stage == "nvcc"
    assert [(one.file, one.line) for one in made.failure.diagnostics] == [("tiny.cu", 3)]
    assert 'identifier "missing" is undefined' in made.failure.message
    assert any("missing" in step.stderr + step.stdout for step in made.steps)


def test_a_failed_gpp_is_the_verdict_and_does_not_wait_for_nvcc(toolchain: Toolchain, tmp_path: Path) -> None:
    slow = "#include <cub/cub.cuh>\n" + KERNEL
    began = time.monotonic()
    made = stock_build(_spec(module="int x = y;", kernel=slow), toolchain, tmp_path / "b", _soon(), limit_ms=1)
    assert isinstance(made.failure, CompileError) and made.failure.stage == "g++"
    assert made.failure.diagnostics[0].line == 1
    assert made.steps[1].tool == "nvcc" and made.steps[1].exit_code is None and not made.steps[1].timed_out
    assert time.monotonic() - began < 5


def test_a_symbol_in_both_files_is_a_link_error(toolchain: Toolchain, tmp_path: Path) -> None:
    made = stock_build(
        _spec(module=MODULE + "int launch(int n) { return n; }"), toolchain, tmp_path / "b", _soon(), limit_ms=1
    )
    assert isinstance(made.failure, CompileError) and made.failure.stage == "link"
    assert "multiple definition of `launch(int)'" in made.failure.message
    assert made.failure.diagnostics[0].file == "tiny.cu"


def test_every_undefined_symbol_is_named(toolchain: Toolchain, tmp_path: Path) -> None:
    module = MODULE.replace("launch(3)", "launch(3) + other(1.5)").replace("extern", "int other(double); extern")
    made = stock_build(_spec(module=module, kernel=None), toolchain, tmp_path / "b", _soon(), limit_ms=1)
    assert made.library is not None
    environment = toolchain.environment(tmp_path)
    loaded = check_load(made.library, "tiny", is_python_module=True, folder=tmp_path / "l", environment=environment)
    assert isinstance(loaded, LoadError)
    assert sorted(loaded.undefined_symbols) == ["launch(int)", "other(double)"]


def test_a_module_of_another_name_does_not_load(toolchain: Toolchain, tmp_path: Path) -> None:
    made = stock_build(
        _spec(module=MODULE.replace("PyInit_tiny", "PyInit_huge")), toolchain, tmp_path / "b", _soon(), limit_ms=1
    )
    assert made.library is not None
    environment = toolchain.environment(tmp_path)
    loaded = check_load(made.library, "tiny", is_python_module=True, folder=tmp_path / "l", environment=environment)
    assert isinstance(loaded, LoadError) and "PyInit_tiny" in loaded.message


def test_a_module_that_crashes_while_loading_says_so(toolchain: Toolchain, tmp_path: Path) -> None:
    crash = "struct Crash { Crash() { *(volatile int *)nullptr = 1; } } crash;"
    made = stock_build(_spec(module=MODULE + crash), toolchain, tmp_path / "b", _soon(), limit_ms=1)
    assert made.library is not None
    environment = toolchain.environment(tmp_path)
    loaded = check_load(made.library, "tiny", is_python_module=True, folder=tmp_path / "l", environment=environment)
    assert isinstance(loaded, LoadError) and "signal 11" in loaded.message


def test_the_candidates_own_headers_are_beside_its_sources(toolchain: Toolchain, tmp_path: Path) -> None:
    kernel = '#include "sizes.h"\n#include <more.h>\n' + KERNEL.replace("1, 32", "BLOCKS, THREADS")
    headers = (("sizes.h", "#define BLOCKS 1\n"), ("include/more.h", "#define THREADS 32\n"))
    spec = _spec(kernel=kernel, headers=headers, extra_include_paths=("include",))
    assert stock_build(spec, toolchain, tmp_path / "b", _soon(), limit_ms=1).library is not None


def test_a_deadline_kills_the_whole_group(toolchain: Toolchain, tmp_path: Path) -> None:
    slow = "#include <cub/cub.cuh>\n" + KERNEL
    began = time.monotonic()
    made = stock_build(_spec(kernel=slow), toolchain, tmp_path / "here", began + 0.7, limit_ms=700)
    assert made.failure == Timeout("build", 700)
    assert time.monotonic() - began < 2
    assert made.steps[1].timed_out and made.steps[1].exit_code is None
    assert _nobody_left_in(tmp_path / "here")


def test_a_stop_kills_the_whole_group(toolchain: Toolchain, tmp_path: Path) -> None:
    slow = "#include <cub/cub.cuh>\n" + KERNEL
    asked = itertools.count()
    with pytest.raises(Interrupted):
        stock_build(
            _spec(kernel=slow), toolchain, tmp_path / "here", _soon(), limit_ms=1, stop=lambda: next(asked) > 10
        )
    assert _nobody_left_in(tmp_path / "here")


@pytest.mark.parametrize(
    "says, code",
    [
        ("cc1plus: fatal error: error writing to /tmp/cc.s: No space left on device", "disk-full"),
        ("c++: fatal error: Killed signal terminated program cc1plus", "out-of-memory"),
    ],
)
def test_a_machine_in_need_is_no_compile_error(says: str, code: str, toolchain: Toolchain, tmp_path: Path) -> None:
    from dataclasses import replace

    compiler = tmp_path / "cxx"
    compiler.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    compiler.chmod(0o755)
    with pytest.raises(InstrumentError) as failed:
        stock_build(_spec(kernel=None), replace(toolchain, cxx=str(compiler)), tmp_path / "b", _soon(), limit_ms=1)
    assert failed.value.code == code and failed.value.retry


def test_a_source_that_quotes_the_machines_words_is_a_compile_error(toolchain: Toolchain, tmp_path: Path) -> None:
    module = 'int x = "cc1plus: No space left on device virtual memory exhausted";'
    made = stock_build(_spec(module=module, kernel=None), toolchain, tmp_path / "b", _soon(), limit_ms=1)
    assert isinstance(made.failure, CompileError) and made.failure.stage == "g++"


def test_a_compiler_that_is_gone_is_named(toolchain: Toolchain, tmp_path: Path) -> None:
    from dataclasses import replace

    with pytest.raises(InstrumentError) as failed:
        stock_build(_spec(kernel=None), replace(toolchain, cxx="/nowhere/g++"), tmp_path / "b", _soon(), limit_ms=1)
    assert failed.value.code == "toolchain-missing" and "/nowhere/g++" in failed.value.message


def test_headers_are_precompiled_once_also_when_many_ask_at_once(toolchain: Toolchain, tmp_path: Path) -> None:
    """A stand-in for torch, whose own header takes half a minute; a killed process' draft is in the way."""
    from dataclasses import replace

    include = tmp_path / "torch" / "include" / "torch"
    include.mkdir(parents=True)
    (include / "extension.h").write_text("#pragma once\ninline int answer() { return 42; }\n")
    counting = tmp_path / "cxx"
    counting.write_text(f'#!/bin/sh\necho . >> {tmp_path}/calls\nsleep 0.3\nexec {toolchain.cxx} "$@"\n')
    counting.chmod(0o755)
    small = replace(toolchain, cxx=str(counting), torch_root=tmp_path / "torch")
    (tmp_path / "cache" / "headers" / ".draft-old").mkdir(parents=True)
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=precompiled_headers, args=(small, tmp_path / "cache")) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 4
    assert (tmp_path / "calls").read_text().count(".") == 1
    made = precompiled_headers(small, tmp_path / "cache")
    assert made is not None and (made / "torch" / "extension.h.gch").stat().st_size > 0
    optimised = precompiled_headers(small, tmp_path / "cache", ["-O3"])
    assert optimised not in (None, made) and precompiled_headers(small, tmp_path / "cache", ["-O2"]) == optimised
    assert not list((tmp_path / "cache" / "headers").glob(".draft-*"))


def test_a_candidate_may_include_the_header_once_more(toolchain: Toolchain, tmp_path: Path) -> None:
    """g++ takes a precompiled header for the first include alone; for the second it wants a file."""
    from dataclasses import replace

    include = tmp_path / "torch" / "include" / "torch"
    include.mkdir(parents=True)
    (include / "extension.h").write_text("#pragma once\ninline int answer() { return 42; }\n")
    made = precompiled_headers(replace(toolchain, torch_root=tmp_path / "torch"), tmp_path / "cache")
    source = tmp_path / "main.cpp"
    source.write_text("#include <torch/extension.h>\n\n#include <torch/extension.h>\nint main() { return answer(); }\n")
    command = [toolchain.cxx, "-isystem", str(made), "-isystem", str(include.parent), "-std=c++17", "-fsyntax-only"]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_headers_that_do_not_compile_cost_only_time(toolchain: Toolchain, tmp_path: Path) -> None:
    from dataclasses import replace

    broken = replace(toolchain, torch_root=tmp_path / "nowhere")
    assert precompiled_headers(broken, tmp_path / "cache") is None


def _soon() -> float:
    return time.monotonic() + 60


def _nobody_left_in(folder: Path) -> bool:
    """The dead need a moment to leave on a busy machine; the living would stay for many seconds."""
    patience = time.monotonic() + 2
    while _processes_in(folder) and time.monotonic() < patience:
        time.sleep(0.02)
    return not _processes_in(folder)


def _processes_in(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve().is_relative_to(folder):
                found.append(process.name)
        except OSError:
            continue
    return found


def _let_torch_write(monkeypatch: pytest.MonkeyPatch, toolchain: Toolchain) -> None:
    """Torch's own code, up to the point where it would start ninja or import what came of it."""
    monkeypatch.setattr(cpp_extension, "CUDA_HOME", str(toolchain.cuda_home))
    monkeypatch.setattr(cpp_extension, "CUDNN_HOME", None)
    monkeypatch.setattr(cpp_extension, "remove_extension_h_precompiler_headers", lambda: None)
    monkeypatch.setattr(cpp_extension, "_run_ninja_build", lambda *args, **kwargs: None)
    monkeypatch.setattr(cpp_extension, "_import_module_from_library", lambda *args, **kwargs: None)
    monkeypatch.setattr(cpp_extension, "verify_ninja_availability", lambda: None)
    monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", "9.0+PTX")
    for name in ("CC", "CUDA_INC_PATH", "PYTORCH_NVCC"):
        monkeypatch.delenv(name, raising=False)


def _our_commands(spec: ExtensionSpec, toolchain: Toolchain, folder: Path) -> list[list[str]]:
    plan = stock_plan(spec, toolchain, folder)
    commands = [list(work.command) for work in plan.compilations] + [list(plan.link)]
    ours = (PTXAS_FIGURES, *READABLE_PTX)  # what torch does not ask for
    return [[word for word in command if word not in ours] for command in commands]


def _ninja_commands(folder: Path) -> list[list[str]]:
    """What ninja would hand to the shell, as the shell would split it."""
    text = (folder / "build.ninja").read_text()
    values = dict(re.findall(r"^(\w+) = (.*)$", text, re.MULTILINE))
    rules = dict(re.findall(r"^rule (\w+)\n(?:  (?!command).*\n)*  command = (.*)$", text, re.MULTILINE))
    commands = []
    for out, rule, rest in re.findall(r"^build (\S+): (\w+) (.*)$", text, re.MULTILINE):
        inside = {"in": rest.replace("$ ", " "), "out": out}
        expanded = _expand(rules[rule], {name: _expand(value, {}) for name, value in values.items()} | inside)
        commands.append(
            shlex.split(expanded) if "'" not in expanded or expanded.count("'") % 2 == 0 else expanded.split()
        )
    return commands


def _expand(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda found: values.get(found.group(1), ""), text).replace("$$", "$")

"""`load_inline`'s rules: what is told without a compiler, and what is left to it."""

from __future__ import annotations

from typing import Any

import pytest
from kval_harness.build.rules import check_rules, without_comments
from kval_harness.build.spec import ExtensionSpec, load_inline_spec
from kval_harness.outcome import CompileError, Rejected

DECLARED = "torch::Tensor f(torch::Tensor x);"
DEFINED = "__global__ void k() {}\ntorch::Tensor f(torch::Tensor x) { return x; }"
OWN_MODULE = 'PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) { m.def("f", &f); }'


def _message(cpp: str, cuda: str | None = None, name: str = "ext", **more: Any) -> str | None:  # noqa: ANN401
    broken = check_rules(load_inline_spec(name, cpp, cuda, **more))
    if broken is None:
        return None
    assert isinstance(broken, CompileError) and broken.stage == "rules"
    assert [one.tool for one in broken.diagnostics] == ["rules"]
    return broken.message


@pytest.mark.parametrize(
    "cpp, cuda, functions",
    [
        (DECLARED, DEFINED, ["f"]),
        (DECLARED, DEFINED, {"f": "doc"}),
        (DEFINED, None, "f"),
        (f"{DECLARED}\n{OWN_MODULE}", DEFINED, None),
        (DECLARED, f"#include <torch/extension.h>\n{DEFINED}\n{OWN_MODULE}", None),
    ],
)
def test_what_torch_takes_passes(cpp: str, cuda: str | None, functions: Any) -> None:  # noqa: ANN401
    assert _message(cpp, cuda, functions=functions) is None


@pytest.mark.parametrize("cpp, where", [("", ""), ("// f is in the other file\n", ""), ('const char *s = "f";', "")])
def test_a_function_has_to_be_declared_in_cpp_sources(cpp: str, where: str) -> None:
    message = _message(cpp, DEFINED, functions=["f"])
    assert message is not None and message.startswith("'f' in `functions` is not declared in cpp_sources")
    assert "another translation unit" in message


def test_every_missing_function_is_named() -> None:
    message = _message(DECLARED, DEFINED, functions=["f", "g", "h"])
    assert message is not None and message.startswith("'g', 'h' in `functions` are not declared")


@pytest.mark.parametrize(
    "cpp",
    [
        "#define MAKE(name) torch::Tensor name##_cuda(torch::Tensor x);\nMAKE(g)",
        '#include "mine.h"',
        "#include <vector>\n#include <torch/extension.h>\ntorch::Tensor g_cuda(torch::Tensor x);",
    ],
)
def test_what_a_macro_or_header_may_declare_is_left_to_the_compiler(cpp: str) -> None:
    assert _message(cpp, DEFINED, functions=["g_cuda"]) is None


@pytest.mark.parametrize("function", ["exp", "malloc", "pow", "at::relu", "f<float>", "(&f)"])
def test_names_that_may_come_from_elsewhere_are_left_to_the_compiler(function: str) -> None:
    assert _message(DECLARED, DEFINED, functions=[function]) is None


@pytest.mark.parametrize(
    "cpp, cuda, file",
    [
        (f"{DECLARED}\n{OWN_MODULE}", DEFINED, "cpp_sources"),
        (DECLARED, f"{DEFINED}\n{OWN_MODULE}", "cuda_sources"),
        (f"{DECLARED}\nPYBIND11_MODULE(ext, m) {{}}", DEFINED, "cpp_sources"),
    ],
)
def test_functions_and_a_module_of_its_own_exclude_each_other(cpp: str, cuda: str, file: str) -> None:
    message = _message(cpp, cuda, functions=["f"])
    assert message is not None and f"{file} has a PYBIND11_MODULE of its own" in message and "PyInit_ext" in message


@pytest.mark.parametrize(
    "cpp",
    [
        f"{DECLARED}\n// {OWN_MODULE}",
        f"{DECLARED}\n/* {OWN_MODULE}\n */",
        f"{DECLARED}\n#if 0\n{OWN_MODULE}\n#endif",
        f"{DECLARED}\nPYBIND11_MODULE(other, m) {{}}",
    ],
)
def test_a_module_that_is_not_there_or_another_one_is_no_clash(cpp: str) -> None:
    assert _message(cpp, DEFINED, functions=["f"]) is None


def test_without_functions_somebody_has_to_bind() -> None:
    message = _message(DECLARED, DEFINED)
    assert message is not None
    assert message.startswith("dynamic module does not define module export function (PyInit_ext)")
    assert _message(DECLARED, DEFINED, is_python_module=False) is None
    assert _message(DECLARED, DEFINED + "\nTORCH_LIBRARY(x, m) {}") is None
    assert _message("", '#include "mine.cuh"') is None
    bare = ExtensionSpec(kind="load", name="x", sources=(("k.cu", "__global__ void k() {}"),))
    assert isinstance(check_rules(bare), CompileError)


@pytest.mark.parametrize(
    "name, broken", [("a/b", True), ("", True), ("my-ext", True), ("1st", True), ("ext_v1", False)]
)
def test_names_become_part_of_cpp_names(name: str, broken: bool) -> None:
    assert (_message(DECLARED, DEFINED, name=name, functions=["f"]) is not None) is broken


def test_a_name_that_is_no_identifier_may_still_be_a_module() -> None:
    assert _message('extern "C" int PyInit_my_ext() { return 0; }', None, name="my-ext") is None


def test_two_sources_of_one_stem_share_an_object() -> None:
    spec = ExtensionSpec(kind="load", name="x", sources=(("a/k.cpp", OWN_MODULE), ("b/k.cpp", "")))
    broken = check_rules(spec)
    assert isinstance(broken, CompileError) and "multiple rules generate k.o" in broken.message
    both = ExtensionSpec(kind="load", name="x", sources=(("k.cpp", OWN_MODULE), ("k.cu", "")))
    assert check_rules(both) is None


@pytest.mark.parametrize(
    "flags",
    [
        dict(extra_cflags=["-fplugin=./evil.so"]),
        dict(extra_cflags=["-wrapper", "./evil"]),
        dict(extra_cflags=["-B."]),
        dict(extra_cflags=["-DX", "-o", "/tmp/x"]),
        dict(extra_cflags=["@flags"]),
        dict(extra_cflags=["'-fplugin=./e v.so'"]),
        dict(extra_cuda_cflags=["-ccbin", "./evil"]),
        dict(extra_cuda_cflags=["-Xcompiler=-fplugin=./evil.so"]),
        dict(extra_cuda_cflags=["-Xcompiler -fplugin=./evil.so"]),
        dict(extra_cuda_cflags=["--options-file", "x"]),
        dict(extra_ldflags=["-Wl,-plugin,./evil.so"]),
        dict(extra_ldflags=["-Wl,-Map,/tmp/x"]),
    ],
)
def test_flags_that_run_or_write_something_are_rejected(flags: dict[str, list[str]]) -> None:
    rejected = check_rules(load_inline_spec("ext", DECLARED, DEFINED, functions=["f"], **flags))
    assert isinstance(rejected, Rejected) and rejected.cheat == "compiler-flag"


@pytest.mark.parametrize(
    "flags",
    [
        dict(extra_cflags=["-O3", "-march=native", "-ffast-math", "-std=c++17", "-Wall", "-fopenmp"]),
        dict(
            extra_cuda_cflags=["-O3", "--use_fast_math", "-lineinfo", "-Xptxas=-v", "--ptxas-options=-v", "-Xptxas -O3"]
        ),
        dict(
            extra_cuda_cflags=["-gencode=arch=compute_90,code=sm_90", "--expt-extended-lambda", "--threads=4", "-keep"]
        ),
        dict(extra_ldflags=["-lcublas", "-lcudnn", "-Wl,-Bsymbolic", "-Wl,-rpath,/usr/lib", "-L/usr/local/cuda/lib64"]),
    ],
)
def test_the_usual_flags_pass(flags: dict[str, list[str]]) -> None:
    assert check_rules(load_inline_spec("ext", DECLARED, DEFINED, functions=["f"], **flags)) is None


def test_comments_and_strings_go_and_lines_stay() -> None:
    text = 'int a; // f\n/* g\n */ int b = \'"\';\nauto s = "h // i";\nauto r = R"x(j " k)x"; int c;'
    clean = without_comments(text)
    assert clean.count("\n") == text.count("\n")
    for word in "fghijk":
        assert word not in clean.replace("auto", "").replace("int", "")
    for kept in ("int a", "int b", "int c"):
        assert kept in clean

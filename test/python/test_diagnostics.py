"""Diagnostics read from what real compilers print; every output here is made by the test itself."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from kval_harness.build.diagnostics import demangle, parse_diagnostics, parse_kernels, summary
from kval_harness.build.spec import SourceFile, load_inline_spec
from kval_harness.build.toolchain import Toolchain
from kval_harness.outcome import Diagnostic

Compile = Callable[..., str]


@pytest.fixture
def nvcc(toolchain: Toolchain, tmp_path: Path) -> Compile:
    def compile_text(text: str, *flags: str) -> str:
        (tmp_path / "cuda.cu").write_text(text)
        words = [str(toolchain.nvcc), "-arch=sm_90", "-cubin", *flags, str(tmp_path / "cuda.cu"), "-o", "k.cubin"]
        return _run(words, tmp_path, toolchain)

    return compile_text


@pytest.fixture
def gxx(toolchain: Toolchain, tmp_path: Path) -> Compile:
    def compile_text(text: str, *flags: str, name: str = "main.cpp") -> str:
        (tmp_path / name).write_text(text)
        words = [toolchain.cxx, *flags, "-fPIC", "-c", str(tmp_path / name), "-o", name.replace(".cpp", ".o")]
        return _run(words, tmp_path, toolchain)

    return compile_text


def test_an_undeclared_name_in_a_kernel(nvcc: Compile) -> None:
    (one,) = parse_diagnostics(nvcc("__global__ void k(float *x) {\n  x[0] = y;\n}\n"), tool="nvcc")
    assert (one.tool, one.severity, one.line, one.message) == ("nvcc", "error", 2, 'identifier "y" is undefined')
    assert one.file.endswith("/cuda.cu")


def test_lines_are_the_candidates_own(nvcc: Compile) -> None:
    spec = load_inline_spec("x", "", ["// first\n__global__ void k() { a(); }", "__device__ int b = c;"])
    (_, file) = spec.files()
    text = file.text.replace("#include <torch/types.h>", "// torch")
    found = parse_diagnostics(nvcc(text), tool="nvcc", sources=[file])
    assert [(one.file, one.line, one.message) for one in found] == [
        ("cuda_sources", 2, 'identifier "a" is undefined'),
        ("cuda_sources", 3, 'identifier "c" is undefined'),
    ]


def test_lines_that_torch_wrote_are_nobodys() -> None:
    spec = load_inline_spec("x", "int f();\nint g();", functions=["f", "h"])
    (main,) = spec.files()
    text = "/tmp/b/main.cpp:5:40: error: 'h' was not declared in this scope\n/tmp/b/main.cpp:3:5: error: own\n"
    made, own = parse_diagnostics(text, tool="g++", sources=[main])
    assert (made.file, made.line, made.column) == ("cpp_sources", None, 40)
    assert (own.file, own.line) == ("cpp_sources", 2)


def test_line_directives_name_the_candidates_file(nvcc: Compile) -> None:
    (one,) = parse_diagnostics(nvcc('#line 7 "cuda_sources"\n__device__ int b = c;\n'), tool="nvcc")
    assert (one.file, one.line) == ("cuda_sources", 7)


def test_warnings_have_codes_and_errors_too(nvcc: Compile) -> None:
    found = parse_diagnostics(
        nvcc("__global__ void k() { int unused; }\nvoid h();\n__device__ void d() { h(); }"), tool="nvcc"
    )
    warning = next(one for one in found if one.severity == "warning")
    assert warning.code == "177-D" and "never referenced" in warning.message
    assert any(one.severity == "error" and one.code == "20011-D" for one in found) or any(
        one.severity == "error" and "__host__ function" in one.message for one in found
    )


def test_a_complaint_goes_on_over_indented_lines(nvcc: Compile) -> None:
    (one,) = parse_diagnostics(
        nvcc("__device__ void f(int *, int);\n__device__ void f(float *, int);\n__device__ void g() { f(1, 2); }"),
        tool="nvcc",
    )
    assert one.line == 3
    assert one.message.startswith('no instance of overloaded function "f" matches the argument list')
    assert "argument types are: (int, int)" in one.message


def test_an_unclosed_block_is_told_at_the_end(nvcc: Compile) -> None:
    found = parse_diagnostics(nvcc("__global__ void k() {\n"), tool="nvcc")
    assert [one.severity for one in found] == ["error"] and 'expected a "}"' in found[0].message


def test_a_missing_header_is_fatal(nvcc: Compile, gxx: Compile) -> None:
    for output in (nvcc("#include <nowhere.h>\n"), gxx("#include <nowhere.h>\n")):
        tool = "nvcc" if "cuda.cu" in output else "g++"
        (one, *_) = parse_diagnostics(output, tool="nvcc" if tool == "nvcc" else "g++")
        assert one.severity == "error" and one.line == 1 and "nowhere.h" in one.message


def test_an_option_that_nvcc_does_not_have(nvcc: Compile) -> None:
    (one,) = parse_diagnostics(nvcc("", "--no-such-option"), tool="nvcc")
    assert (one.tool, one.severity, one.file) == ("nvcc", "error", "nvcc") and "--no-such-option" in one.message


def test_ptxas_errors(nvcc: Compile) -> None:
    (shared,) = parse_diagnostics(
        nvcc("__global__ void k(float *o) { __shared__ float s[20000]; s[o[0] > 0] = 1; o[0] = s[1]; }"), tool="nvcc"
    )
    assert shared.tool == "ptxas" and "k(float*)" in shared.message and "too much shared data" in shared.message
    (extern,) = parse_diagnostics(
        nvcc("__device__ float f(float);\n__global__ void k(float *o) { o[0] = f(1); }"), tool="nvcc"
    )
    assert extern.tool == "ptxas" and "f(float)" in extern.message
    found = parse_diagnostics(nvcc('__global__ void k() { asm("nonsense;"); }'), tool="nvcc")
    assert found[0].tool == "ptxas" and found[0].line is not None and found[0].severity == "error"


def test_gpp_errors_have_columns_and_warnings_flags(gxx: Compile) -> None:
    found = parse_diagnostics(gxx("int f() {\n  int unused;\n  return y;\n}\n", "-Wall"), tool="g++")
    error = next(one for one in found if one.severity == "error")
    warning = next(one for one in found if one.severity == "warning")
    assert (error.tool, error.line, error.column) == ("g++", 3, 10)
    assert (warning.line, warning.code) == (2, "-Wunused-variable")
    assert "[-W" not in warning.message


def test_gpps_own_complaints(gxx: Compile) -> None:
    (one,) = parse_diagnostics(gxx("", "-fno-such-thing"), tool="g++")
    assert one.severity == "error" and one.line is None and "-fno-such-thing" in one.message


def test_the_assemblers_complaints(gxx: Compile) -> None:
    found = parse_diagnostics(gxx('void f() { asm("nonsense"); }'), tool="g++")
    assert any("nonsense" in one.message for one in found)


def test_link_errors_name_symbol_and_file(gxx: Compile, toolchain: Toolchain, tmp_path: Path) -> None:
    gxx("int both(int) { return 1; } int missing(float); int f() { return missing(2); }")
    gxx("int both(int) { return 2; }", name="cuda.cpp")
    sources = [SourceFile("main.cpp", "", "cpp_sources", 1, 1), SourceFile("cuda.cpp", "", "cuda_sources", 3, 1)]
    words = [toolchain.cxx, "-shared", "main.o", "cuda.o", "-o", "x.so"]
    (twice,) = parse_diagnostics(_run(words, tmp_path, toolchain), tool="ld", sources=sources)
    assert (twice.tool, twice.file) == ("ld", "cuda_sources") and "multiple definition of `both(int)'" in twice.message
    words = [toolchain.cxx, "-shared", "-Wl,--no-undefined", "main.o", "-o", "x.so"]
    (undefined,) = parse_diagnostics(_run(words, tmp_path, toolchain), tool="ld", sources=sources)
    assert undefined.file == "cpp_sources" and "undefined reference to `missing(float)'" in undefined.message
    (library,) = parse_diagnostics(_run([*words, "-lnowhere"], tmp_path, toolchain), tool="ld")[:1]
    assert "cannot find -lnowhere" in library.message


def test_kernels_tell_what_they_take(nvcc: Compile) -> None:
    text = """
    template <typename T> __global__ void sum(const T *in, T *out, int n) {
        __shared__ T part[64];
        volatile T local[200];
        for (int i = 0; i < 200; i++) local[i] = in[i % n];
        part[threadIdx.x] = local[threadIdx.x];
        __syncthreads();
        out[0] = part[n % 64];
    }
    template __global__ void sum<float>(const float *, float *, int);
    template __global__ void sum<double>(const double *, double *, int);
    """
    kernels = {kernel.name: kernel for kernel in parse_kernels(nvcc(text, "--ptxas-options=-v"))}
    assert set(kernels) == {
        "void sum<float>(float const*, float*, int)",
        "void sum<double>(double const*, double*, int)",
    }
    single = kernels["void sum<float>(float const*, float*, int)"]
    assert (single.arch, single.shared_bytes, single.stack_bytes) == ("sm_90", 256, 800)
    assert single.registers is not None and single.registers > 0
    assert (single.spill_store_bytes, single.spill_load_bytes) == (0, 0)
    assert single.constant_bytes is None  # this ptxas does not say


def test_constant_memory_is_summed_where_ptxas_tells_it() -> None:
    (kernel,) = parse_kernels(
        "ptxas info    : Compiling entry function '_Z1kPf' for 'sm_80'\n"
        "ptxas info    : Function properties for _Z1kPf\n"
        "    8 bytes stack frame, 4 bytes spill stores, 2 bytes spill loads\n"
        "ptxas info    : Used 10 registers, 16 bytes smem, 360 bytes cmem[0], 8 bytes cmem[2]\n"
    )
    assert (kernel.registers, kernel.shared_bytes, kernel.constant_bytes) == (10, 16, 368)
    assert (kernel.stack_bytes, kernel.spill_store_bytes, kernel.spill_load_bytes) == (8, 4, 2)


def test_spills_are_counted(nvcc: Compile) -> None:
    text = "__global__ void k(float *x) { float v[64]; for (int i = 0; i < 64; i++) v[i] = x[i * 7];\n" + (
        "for (int r = 0; r < 9; r++) for (int i = 0; i < 64; i++) v[i] = v[i] * v[(i + 1) % 64] + x[r];\n"
        "for (int i = 0; i < 64; i++) x[i] = v[i]; }"
    )
    (kernel,) = parse_kernels(nvcc(text, "--ptxas-options=-v", "-maxrregcount=24"))
    assert kernel.registers == 24 and kernel.spill_store_bytes and kernel.spill_load_bytes


def test_a_good_kernel_has_nothing_to_say(nvcc: Compile) -> None:
    assert parse_diagnostics(nvcc("__global__ void k(float *x) { x[0] = 1; }", "--ptxas-options=-v"), tool="nvcc") == ()


def test_names_are_demangled_where_they_are_mangled() -> None:
    assert demangle("_Z1kPfi") == "k(float*, int)"
    assert demangle("_Zwhatever") == "_Zwhatever"
    assert demangle("launch") == "launch"


def test_the_summary_is_short_and_never_empty() -> None:
    many = [Diagnostic("nvcc", "error", "cuda_sources", line, None, "20-D", "bad") for line in range(30)]
    assert summary(many, "").splitlines()[0] == "cuda_sources:0: error 20-D: bad"
    assert summary(many, "").endswith("and 20 more errors")
    assert summary([], "Segmentation fault") == "Segmentation fault"
    assert summary([], "")


def _run(words: list[str], folder: Path, toolchain: Toolchain) -> str:
    done = subprocess.run(
        words, cwd=folder, env=toolchain.environment(folder), capture_output=True, text=True, timeout=60
    )
    return done.stderr + done.stdout

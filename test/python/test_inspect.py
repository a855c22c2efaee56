"""What a candidate's text says about itself."""

from __future__ import annotations

import pytest
from kval_harness.inspect import bare_cuda_spec, read_source

MODEL = "import torch\nclass ModelNew(torch.nn.Module):\n    def forward(self, x): return x\n"
INLINE = "from torch.utils.cpp_extension import load_inline\nsource = '__global__ void k() {}'\n"


def test_a_candidate_with_cuda() -> None:
    facts = read_source(MODEL + INLINE)
    assert facts.is_python and facts.defines_model and facts.has_build_call and facts.has_cuda_text
    assert facts.backend is None and facts.error is None


def test_a_candidate_without_any() -> None:
    facts = read_source(MODEL)
    assert facts.is_python and facts.defines_model
    assert not facts.has_build_call and not facts.has_cuda_text and facts.backend is None


@pytest.mark.parametrize(
    "text", ["ModelNew = Model\n", "from x import Y as ModelNew\n", "if True:\n    class ModelNew: pass\n"]
)
def test_other_ways_to_define_the_model(text: str) -> None:
    assert read_source(text).defines_model


def test_a_use_is_no_definition() -> None:
    assert not read_source("print(ModelNew)\n").defines_model


@pytest.mark.parametrize(
    "text, backend",
    [
        ("import triton\nimport triton.language as tl\n@triton.jit\ndef k(x): pass\n", "triton"),
        ("import tilelang\nimport tilelang.language as T\n", "tilelang"),
        ("import cutlass\nimport cutlass.cute as cute\n@cute.kernel\ndef k(): pass\n", "cute"),
        ("import thunderkittens as tk\n", "thunderkittens"),
        ("source = '#include <hip/hip_runtime.h>'\n", "hip"),
        ("import cupy\nk = cupy.RawKernel('code', 'k')\n", "cupy"),
        ("from numba import cuda\n@cuda.jit\ndef k(x): pass\n", "numba"),
    ],
)
def test_other_backends_are_named(text: str, backend: str) -> None:
    facts = read_source(text + MODEL)
    assert facts.backend == backend and not facts.has_build_call


def test_a_word_about_triton_is_no_backend() -> None:
    assert read_source(MODEL + "# unlike triton this is plain PyTorch\n").backend is None


@pytest.mark.parametrize(
    "text, python",
    [
        (MODEL + "def broken(:\n", True),
        (MODEL + "x = '''never closed\n", True),
        ("Sure! Here is the kernel:\n", False),
        ("#include <torch/extension.h>\nint f() { return 0; }\n", False),
        ("\x00\x01\x02", False),
    ],
)
def test_what_is_no_python(text: str, python: bool) -> None:
    facts = read_source(text)
    assert not facts.is_python and facts.error
    assert facts.looks_like_python is python


def test_the_line_of_a_syntax_error() -> None:
    assert read_source("import torch\n\nclass ModelNew(:\n").error_line == 3


def test_text_that_exhausts_the_parser_is_no_python() -> None:
    assert not read_source("x = " + "(" * 5000 + ")" * 5000).is_python


def test_a_bare_cuda_file_is_what_load_would_build() -> None:
    plain = bare_cuda_spec("__global__ void k() {}")
    assert plain.kind == "load" and plain.sources == (("candidate.cu", "__global__ void k() {}"),)
    assert plain.builds_cuda() and not plain.is_python_module
    assert bare_cuda_spec("PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {}").is_python_module

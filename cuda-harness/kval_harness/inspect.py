"""What a candidate's text says about itself, without running it.

Reading hostile text can exhaust or crash a parser, so `read_source` belongs in a contained child. Nothing here is a
verdict by itself: a build call that is made wins over a text that seems to make none.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from kval_harness.build.spec import ExtensionSpec

# Most telling first. `name` is what an outcome calls the backend.
BACKENDS = (
    ("triton", re.compile(r"@triton\.(?:jit|autotune|heuristics)|@(?:triton_)?jit\b.*\n(?:.*\n){0,3}?.*\btl\.", re.M)),
    ("tilelang", re.compile(r"^\s*(?:import|from)\s+tilelang\b|@tilelang\.jit", re.MULTILINE)),
    ("cute", re.compile(r"^\s*(?:import|from)\s+cutlass\b|@cute\.(?:kernel|jit)", re.MULTILINE)),
    (
        "thunderkittens",
        re.compile(r"^\s*(?:import|from)\s+thunderkittens\b|\bkittens\.cuh\b|^\s*import tk\b", re.MULTILINE),
    ),
    ("hip", re.compile(r"hip/hip_runtime\.h|\bhipLaunchKernelGGL\b|PYTORCH_ROCM_ARCH")),
    ("cupy", re.compile(r"\bcupy\.(?:RawKernel|RawModule|ElementwiseKernel)\b|\bcp\.RawKernel\b")),
    ("numba", re.compile(r"@(?:numba\.)?cuda\.jit\b")),
)
BUILD_CALL = re.compile(r"\bload_inline\b|\bcpp_extension\b")
CUDA_TEXT = re.compile(r"\b__global__\b|<<<|\b__device__\b|\bcublas\w+|\bcudnn\w+\(|\bcuda\w+\(|torch/extension\.h")
PYTHON_TEXT = re.compile(
    r"^\s*(?:import\s+\w+|from\s+[\w.]+\s+import\b|class\s+\w+.*:|def\s+\w+\s*\(|@\w+)", re.MULTILINE
)
OWN_MODULE = re.compile(r"\bPYBIND11_MODULE\b|\bPyInit_")


@dataclass(frozen=True)
class Facts:
    """`error` and `error_line` tell why the text is no Python; `backend` is what its kernels are written for."""

    is_python: bool
    looks_like_python: bool
    error: str | None
    error_line: int | None
    defines_model: bool
    backend: str | None
    has_build_call: bool
    has_cuda_text: bool


def read_source(source: str) -> Facts:
    """The facts of a Python candidate's text."""
    tree, error, line = _parse(source)
    return Facts(
        is_python=tree is not None,
        looks_like_python=PYTHON_TEXT.search(source) is not None,
        error=error,
        error_line=line,
        defines_model=tree is not None and _defines(tree, "ModelNew"),
        backend=next((name for name, sign in BACKENDS if sign.search(source)), None),
        has_build_call=BUILD_CALL.search(source) is not None,
        has_cuda_text=CUDA_TEXT.search(source) is not None,
    )


def bare_cuda_spec(source: str, name: str = "candidate") -> ExtensionSpec:
    """A bare `.cu` as what `load` would build of it. One that binds nothing to Python is a plain library."""
    return ExtensionSpec(
        kind="load",
        name=name,
        sources=((f"{name}.cu", source),),
        is_python_module=OWN_MODULE.search(source) is not None,
    )


def _parse(source: str) -> tuple[ast.Module | None, str | None, int | None]:
    try:
        return ast.parse(source), None, None
    except SyntaxError as error:
        return None, error.msg, error.lineno
    except (ValueError, RecursionError, MemoryError) as error:
        return None, f"{type(error).__name__}: {error}", None


def _defines(tree: ast.Module, name: str) -> bool:
    return any(
        (isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name)
        or (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store))
        or (isinstance(node, ast.alias) and (node.asname or node.name) == name)
        for node in ast.walk(tree)
    )

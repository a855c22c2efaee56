"""How far the fast build's word goes: what it must not take on, and which of its failures stand as the verdict.

The shim offers less than torch. What builds with it builds with torch, as long as the candidate says nothing that
torch's headers would hear differently; `must_decline` turns such candidates away before any compiler runs. What fails
with it may fail for want of something that torch has; `judge` lets a failure stand only where torch has no part in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kval_harness.build.shim.operators import Operators
from kval_harness.build.spec import ExtensionSpec
from kval_harness.build.steps import Step
from kval_harness.build.stock import Plan
from kval_harness.build.toolchain import Toolchain
from kval_harness.outcome import CompileError, Diagnostic

HARMLESS_FLAG = re.compile(
    r"-O[0-3s]?|-Ofast|-g|-w|-Wall|-Wextra|-Wno-[\w-]+|-std=(?:c|gnu)\+\+(?:17|20)|-fPIC|-march=[\w-]+|-mtune=[\w-]+"
    r"|-ffast-math|-funroll-loops|-fopenmp|-m(?:avx\w*|fma|sse\w*)"
)
HARMLESS_NVCC_FLAG = re.compile(
    r"-O[0-3]|--?use_fast_math|--?maxrregcount=\d+|-lineinfo|--generate-line-info|-Xptxas=\S+|-Xptxas|--ptxas-options=\S+"
    r"|-v|-std=c\+\+17|--std=c\+\+17|--expt-relaxed-constexpr|--expt-extended-lambda|--extended-lambda|--fmad=\w+"
    r"|-diag-suppress=?\d*|-w|-g|--ftz=\w+|--prec-div=\w+|--prec-sqrt=\w+|-Xcompiler|-fPIC|-O3"
)
HARMLESS_LINK_FLAG = re.compile(r"-l[\w.+-]+|-L\S+|-Wl,-rpath,\S+|-Wl,--no-as-needed|-s")


def must_decline(spec: ExtensionSpec, toolchain: Toolchain, operators: Operators) -> str | None:
    """Why the fast build must not take `spec` on, or None."""
    if spec.no_implicit_headers:
        return "no implicit headers"
    if not spec.is_python_module:
        return "not a Python module"
    if spec.extra_include_paths:
        return "include paths of its own"
    if not spec.builds_cuda() and any(source.path.endswith(".cu") for source in spec.files()):
        return "CUDA files without CUDA"
    for flags, harmless in (
        (spec.extra_cflags, HARMLESS_FLAG),
        (spec.extra_cuda_cflags, HARMLESS_NVCC_FLAG),
        (spec.extra_ldflags, HARMLESS_LINK_FLAG),
    ):
        for flag in " ".join(flags).split():
            if not harmless.fullmatch(flag):
                return f"the flag {flag}"
    text = "\n".join([*(source.text for source in spec.files()), *(text for _, text in spec.headers)])
    if re.search(r"kval|KVAL", text):
        return "a name of the shim's own"
    return None


def judge(
    spec: ExtensionSpec, plan: Plan, steps: Sequence[Step], diagnostics: Sequence[Diagnostic], operators: Operators
) -> CompileError | str:
    """The failure as a verdict, or why it cannot be trusted."""
    errors = [one for one in diagnostics if one.severity == "error"]
    first = errors[0].message if errors else (steps[-1].output.strip()[:200] or "a compiler failed without a word")
    return f"{errors[0].file if errors else ''}: {first}"

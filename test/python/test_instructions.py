"""The instruction mix of kernels, from PTX that the real nvcc writes and from PTX that nobody should trust."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from kval_harness.build.fatbin import ptx_in
from kval_harness.build.instructions import instructions_of
from kval_harness.build.toolchain import Toolchain

Ptx = Callable[[str], str]


@pytest.fixture(scope="module")
def ptx(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Ptx:
    folder = tmp_path_factory.mktemp("ptx")

    def compiled(text: str) -> str:
        (folder / "k.cu").write_text(text)
        words = [str(toolchain.nvcc), "-arch=sm_90", "-ptx", "k.cu", "-o", "k.ptx"]
        subprocess.run(words, cwd=folder, env=toolchain.environment(folder), check=True)
        return (folder / "k.ptx").read_text()

    return compiled


def test_what_a_kernel_does_is_counted(ptx: Ptx) -> None:
    counts = instructions_of(
        ptx(
            'extern "C" __global__ void k(const float* x, float* y, int* count) {\n'
            "  __shared__ float tile[32];\n  tile[threadIdx.x] = sqrtf(x[threadIdx.x]);\n  __syncthreads();\n"
            "  atomicAdd(count, 1);\n  y[threadIdx.x] = tile[31 - threadIdx.x] * 2.5f;\n}\n"
        )
    )["k"]
    once = {"globalLoad", "globalStore", "sharedLoad", "sharedStore", "barrier", "atomic", "special", "float"}
    assert {name: counts[name] for name in once} == dict.fromkeys(once, 1)
    assert counts["paramLoad"] == 3 and "tensor" not in counts


def test_each_kernel_has_its_own_and_calls_are_one_branch(ptx: Ptx) -> None:
    counts = instructions_of(
        ptx(
            '#include <cstdio>\nextern "C" __global__ void says(int n) { printf("%d", n); }\n'
            'extern "C" __global__ void adds(float* x) { asm volatile("{ .reg .f32 t; mov.f32 t, 0f00000000; }");'
            " if (x[0] > 0) x[0] += 1; }\n"
        )
    )
    assert set(counts) == {"says", "adds"}
    assert counts["adds"]["float"] == 1 and counts["adds"]["compare"] == 1
    assert counts["says"]["branch"] == 2  # the call of vprintf, and the return
    assert "vprintf" not in str(counts)


def test_ptx_that_lies_costs_only_its_own_figures(tmp_path: Path) -> None:
    good = ".visible .entry good(\n.param .u64 p\n)\n{\n\tret;\n}\n"
    assert instructions_of(good + ".entry never_ends()\n{\n\tret;\n") == {"good": {"branch": 1}}
    assert instructions_of("no ptx at all; ld.global.f32 x, y;") == {}
    library = tmp_path / "cut.so"
    library.write_bytes(b"\x7fELF" + (0xBA55ED50).to_bytes(4, "little"))
    assert ptx_in(library) == []

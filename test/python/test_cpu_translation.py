"""Every kind of instruction, as nvcc compiles it and the CPU device runs it, against the host's own arithmetic."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kval_harness.build.fatbin import ptx_in
from kval_harness.build.toolchain import Toolchain, find_toolchain
from kval_harness.cpu_device.module import translate
from kval_harness.cpu_device.runtime import prepare_runtime
from kval_harness.cpu_device.translation.program import translate_ptx
from kval_harness.cpu_device.translation.ptx import Unsupported

SOURCE = Path(__file__).parent / "cuda" / "instructions.cu"
CHECKS = re.findall(r'extern "C" int (check_\w+)', SOURCE.read_text(encoding="utf-8"))
RUN = """
import ctypes, sys
runtime = ctypes.CDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL)
assert runtime.kval_load_module(sys.argv[2].encode()) == 0
library = ctypes.CDLL(sys.argv[3])
runtime.kval_report.restype = ctypes.c_char_p
for order, threads, races in ((0, 1, 0), (1, 2, 0), (2, 2, 1)):
    runtime.kval_settings(order, ctypes.c_uint64(7), threads, 0, races)
    wrong = getattr(library, sys.argv[4])()
    ctypes.CDLL(None).fflush(None)
    report = runtime.kval_report().decode()
    assert wrong == 0, (wrong, order, report)
print(report)
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def toolchain(cache: Path) -> Toolchain:
    return find_toolchain(cache)


@pytest.fixture(scope="module")
def built(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The library that nvcc makes of the checks, and its kernels for this machine."""
    folder = tmp_path_factory.mktemp("instructions")
    target = ["-gencode=arch=compute_90,code=sm_90", "-gencode=arch=compute_90,code=compute_90"]
    flags = [*target, "--compress-mode=none", "-lineinfo", "-std=c++17", "-Xcompiler", "-fPIC"]
    environment = toolchain.environment(folder)
    compiled = folder / "checks.o"
    subprocess.run([toolchain.nvcc, *flags, "-c", SOURCE, "-o", compiled], check=True, env=environment)
    library = folder / "checks.so"
    link = [toolchain.cxx, "-shared", compiled, "-o", library, f"-L{toolchain.cuda_lib}", "-lcudart"]
    subprocess.run([*link, f"-Wl,-rpath,{toolchain.cuda_lib}"], check=True, env=environment)
    (folder / "translated").mkdir()
    made = translate(library, folder / "translated", toolchain, deadline=time.monotonic() + 300)
    assert made.unsupported is None
    assert made.library is not None
    return library, made.library


@pytest.mark.parametrize("check", CHECKS)
def test_the_host_agrees(check: str, built: tuple[Path, Path], toolchain: Toolchain, cache: Path) -> None:
    library, kernels = built
    runtime = prepare_runtime(toolchain, cache)
    command = [sys.executable, "-c", RUN, str(runtime), str(kernels), str(library), check]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"fault":null' in done.stdout
    if check == "check_words":
        assert "thread 1 says  2.50 hello 1099511627776%" in done.stdout


def test_every_ptx_text_of_a_library_is_found_once(built: tuple[Path, Path]) -> None:
    texts = ptx_in(built[0])
    assert len(texts) == 1
    assert ".entry _Z8integersPKiiPl" in texts[0]


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("wgmma.fence.sync.aligned;", "wgmma.fence.sync.aligned"),
        ("tex.2d.v4.f32.s32 {%f1, %f1, %f1, %f1}, [%rd1, {%r1, %r1}];", "tex.2d.v4.f32.s32"),
        ("mbarrier.init.shared.b64 [%rd1], 1;", "mbarrier.init.shared.b64"),
        ("cp.async.bulk.commit_group;", "cp.async.bulk.commit_group"),
    ],
)
def test_what_is_not_translated_is_named(statement: str, named: str) -> None:
    registers = ".reg .f32 %f<2>; .reg .b32 %r<2>; .reg .b64 %rd<2>;"
    head = ".version 9.0\n.target sm_90\n.address_size 64\n"
    text = f"{head}.visible .entry k()\n{{\n{registers}\n{statement}\nret;\n}}\n"
    with pytest.raises(Unsupported, match=re.escape(named)):
        translate_ptx(text)

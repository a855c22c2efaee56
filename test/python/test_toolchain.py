"""Finding the compilers, and giving NVIDIA's wheels the layout of a toolkit."""

from __future__ import annotations

import multiprocessing
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kval_harness.build import toolchain as finder
from kval_harness.build.toolchain import arch_of_capability, describe, find_toolchain
from kval_harness.outcome import InstrumentError


@pytest.fixture(autouse=True)
def _look_again() -> Iterator[None]:
    finder._facts.cache_clear()
    yield
    finder._facts.cache_clear()


@pytest.fixture
def no_nvcc(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KVAL_NVCC", "CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(finder, "_nvcc_places", lambda: [])


def _nvcc(folder: Path, version: str) -> Path:
    file = folder / "bin" / "nvcc"
    file.parent.mkdir(parents=True)
    file.write_text(f"#!/bin/sh\necho 'Cuda compilation tools, release {version[:4]}, V{version}'\n")
    file.chmod(0o755)
    return file


def test_finds_an_nvcc_that_fits_torch_and_a_home_with_a_toolkits_layout(tmp_path: Path) -> None:
    try:
        found = find_toolchain(tmp_path, "sm_80")
    except InstrumentError as error:
        pytest.skip(error.message)
    assert found.nvcc_version.split(".")[0] == found.torch_cuda.split(".")[0]
    assert found.arch == "sm_80"
    for file in (found.nvcc, found.cuda_include / "cuda_runtime.h", found.cuda_lib / "libcudart.so"):
        assert file.exists(), file
    for folder in (*found.torch_includes, found.torch_lib, found.python_include):
        assert folder.is_dir()
    assert (found.torch_includes[0] / "torch" / "extension.h").exists()
    again = find_toolchain(tmp_path, "sm_80")
    assert again == found


def test_the_home_compiles_and_links(tmp_path: Path) -> None:
    try:
        found = find_toolchain(tmp_path)
    except InstrumentError as error:
        pytest.skip(error.message)
    (tmp_path / "k.cu").write_text("#include <cublas_v2.h>\n#include <cub/version.cuh>\n__global__ void k() {}\n")
    words = [str(found.nvcc), "-arch=sm_90", "-c", "k.cu", "-o", "k.o"]
    subprocess.run(words, cwd=tmp_path, env=found.environment(tmp_path), check=True, timeout=60)
    link = [found.cxx, "-shared", "k.o", f"-L{found.cuda_lib}", "-lcudart", "-lcublas", "-o", "k.so"]
    subprocess.run(link, cwd=tmp_path, env=found.environment(tmp_path), check=True, timeout=60)


def test_wheels_get_a_home_once_also_when_many_ask_at_once(tmp_path: Path) -> None:
    wheels = tmp_path / "site" / "nvidia"
    nvcc = _nvcc(wheels / "cu13", "13.0.88")
    for file in ("cu13/include/cuda.h", "cu13/lib/libcudart.so.13", "cudnn/include/cudnn.h", "cudnn/lib/libcudnn.so.9"):
        (wheels / file).parent.mkdir(parents=True, exist_ok=True)
        (wheels / file).write_text(file)
    (wheels / "cu13" / "nvvm").mkdir()
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=finder._cuda_home, args=(nvcc, tmp_path / "cache")) for _ in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 6
    home = finder._cuda_home(nvcc, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache" / "cuda").iterdir()] == [home.name]
    assert (home / "lib64" / "libcudart.so").read_text() == "cu13/lib/libcudart.so.13"
    assert (home / "lib64" / "libcudnn.so").read_text() == "cudnn/lib/libcudnn.so.9"
    assert (home / "include" / "cudnn.h").exists() and (home / "include" / "cuda.h").exists()
    assert (home / "bin" / "nvcc").exists() and (home / "nvvm").is_dir() and (home / "lib").is_dir()


def test_an_nvcc_of_another_major_version_is_passed_over(
    no_nvcc: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = _nvcc(tmp_path / "old", "11.8.89")
    new = _nvcc(tmp_path / "new", "13.0.88")
    monkeypatch.setattr(finder, "_torch", lambda: ("2.11.0", "13.0", tmp_path))
    monkeypatch.setattr(finder, "_nvcc_places", lambda: [tmp_path / "nowhere", old, new])
    assert describe()["nvccPath"] == str(new)
    finder._facts.cache_clear()
    monkeypatch.setattr(finder, "_nvcc_places", lambda: [old])
    assert describe()["nvcc"] is None and "11.8.89" in describe()["nvccMissing"]
    with pytest.raises(InstrumentError, match=r"fits torch's CUDA 13\.0.*11\.8\.89") as failed:
        find_toolchain(tmp_path)
    assert failed.value.code == "toolchain-missing"


def test_kval_nvcc_decides(no_nvcc: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = _nvcc(tmp_path / "mine", "13.1.5")
    monkeypatch.setenv("KVAL_NVCC", str(mine))
    assert describe()["nvcc"] == "13.1.5"
    finder._facts.cache_clear()
    monkeypatch.setenv("KVAL_NVCC", str(tmp_path / "gone"))
    assert "KVAL_NVCC" in describe()["nvccMissing"]


def test_what_is_missing_is_said_with_how_to_get_it(
    no_nvcc: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InstrumentError, match="nvidia-cuda-nvcc"):
        find_toolchain(tmp_path)
    finder._facts.cache_clear()
    monkeypatch.setattr(finder, "_torch", lambda: (None, None, None))
    with pytest.raises(InstrumentError, match="torch"):
        find_toolchain(tmp_path)


def test_a_missing_cpp_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVAL_NVCC", str(_nvcc(tmp_path / "cuda", "13.0.88")))
    monkeypatch.setenv("CXX", "/nowhere/c++")
    with pytest.raises(InstrumentError, match="/nowhere/c\\+\\+"):
        find_toolchain(tmp_path)


@pytest.mark.parametrize("arch", ["90", "sm90", "sm_", "sm_90; rm", ""])
def test_an_architecture_has_a_form(arch: str, tmp_path: Path) -> None:
    if arch == "":
        assert arch_of_capability(9, 0) == "sm_90"
        return
    with pytest.raises(InstrumentError) as failed:
        find_toolchain(tmp_path, arch)
    assert failed.value.code == "bad-request"

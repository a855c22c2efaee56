"""The software CUDA: each test loads it into a process of its own and calls it as libraries would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from kval_harness.build.toolchain import Toolchain
from kval_harness.cpu_device import runtime
from kval_harness.cpu_device.module import translate
from kval_harness.cpu_device.runtime import prepare_runtime
from kval_harness.outcome import InstrumentError

HARNESS = Path(__file__).parents[2] / "cuda-harness"
KERNELS = """
#include <cuda_runtime.h>

__constant__ float scale[2];
__device__ int counter;
__managed__ int total;

__global__ void scaled(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] * scale[1];
  if (i == 0) counter = total = n;
}
__global__ void beyond(float* y, int i) { y[i] = 1; }
__global__ void dynamic(float* y) { extern __shared__ float s[]; s[threadIdx.x] = 1; y[threadIdx.x] = s[threadIdx.x]; }
__global__ void fixed(float* y) { __shared__ float s[8192]; s[threadIdx.x] = 1; y[threadIdx.x] = s[threadIdx.x]; }
__global__ void __launch_bounds__(64) bounded(float* y) { y[threadIdx.x] = 1; }

extern "C" {
int scale_all(const float* x, float* y, int n, int* counted, int* summed) {
  float both[2] = {0, 3};
  cudaMemcpyToSymbol(scale, both, sizeof both);
  scaled<<<(n + 31) / 32, 32>>>(x, y, n);
  cudaMemcpyFromSymbol(counted, counter, sizeof *counted);
  *summed = total;
  return cudaDeviceSynchronize();
}
int write_at(float* y, int i) { beyond<<<1, 1>>>(y, i); return cudaDeviceSynchronize(); }
int launch_dynamic(float* y, int gx, int gy, int bx, int by, int bz, int bytes) {
  dynamic<<<dim3(gx, gy), dim3(bx, by, bz), bytes>>>(y);
  int peeked = cudaPeekAtLastError(), got = cudaGetLastError();
  return peeked == got && cudaGetLastError() == cudaSuccess ? got : -1;
}
int launch_fixed(float* y, int bytes) { fixed<<<1, 32, bytes>>>(y); return cudaGetLastError(); }
int launch_bounded(float* y, int threads) { bounded<<<1, threads>>>(y); return cudaGetLastError(); }
int launch_by_function(float* y) { void* args[] = {&y}; return cudaLaunchKernel(bounded, 1, 8, args, 0, nullptr); }
int launch_cooperatively(float* y, int grid) {
  void* args[] = {&y};
  int result = cudaLaunchCooperativeKernel(bounded, grid, 64, args, 0, nullptr);
  cudaGetLastError();
  return result;
}
int allow(int bytes) {
  int result = cudaFuncSetAttribute(dynamic, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  cudaGetLastError();
  return result;
}
int blocks_of_fixed(int threads) {
  int blocks = -1;
  cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, fixed, threads, 0);
  return blocks;
}
int shared_of_fixed() { cudaFuncAttributes a; cudaFuncGetAttributes(&a, fixed); return int(a.sharedSizeBytes); }
int launch_nothing() { return cudaLaunchKernel((void*)1, 1, 1, nullptr, 0, nullptr); }
}
"""

HEAD = """
import ctypes, json, sys
from pathlib import Path
from kval_harness.cpu_device import runtime
runtime.preload(Path(sys.argv.pop(1)))
cuda = runtime.loaded_runtime()
cuda.cudaGetErrorString.restype = ctypes.c_char_p
def malloc(size):
    place = ctypes.c_void_p()
    return place.value if cuda.cudaMalloc(ctypes.byref(place), ctypes.c_size_t(size)) == 0 else None
def copy(to, source, size, kind):
    return cuda.cudaMemcpy(ctypes.c_void_p(to), ctypes.c_void_p(source), ctypes.c_size_t(size), kind)
def free(place):
    return cuda.cudaFree(ctypes.c_void_p(place))
def describe(address):
    text = ctypes.create_string_buffer(200)
    cuda._ZN4kval16describe_addressEmPcm(ctypes.c_size_t(address), text, ctypes.c_size_t(200))
    return text.value.decode()
"""
KERNELS_HEAD = """
built = ctypes.CDLL(sys.argv[1])
runtime.load_module(Path(sys.argv[2]))
host = (ctypes.c_float * 64)(*range(64))
x, y = malloc(256), malloc(256)
copy(x, ctypes.addressof(host), 256, 1)
X, Y = ctypes.c_void_p(x), ctypes.c_void_p(y)
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runtime")


@pytest.fixture(scope="module")
def library(toolchain: Toolchain, cache: Path) -> Path:
    return prepare_runtime(toolchain, cache)


@pytest.fixture(scope="module")
def kernels(toolchain: Toolchain, cache: Path) -> tuple[Path, Path]:
    """The library that nvcc builds of KERNELS, and its translated kernels."""
    (cache / "kernels.cu").write_text(KERNELS)
    arch = "-gencode=arch=compute_90,code=[compute_90,sm_90]"
    built = cache / "libkernels.so"
    nvcc = [toolchain.nvcc, "-shared", "-Xcompiler", "-fPIC", "-cudart", "shared", arch, "--no-compress"]
    # The real runtime is loaded behind the software one, as with torch.
    links = [f"-L{toolchain.cuda_lib}", "-Xlinker", f"-rpath={toolchain.cuda_lib}"]
    command = [*nvcc, *links, cache / "kernels.cu", "-o", built]
    done = subprocess.run([str(word) for word in command], env=toolchain.environment(cache), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    translated = translate(built, cache, toolchain, deadline=time.monotonic() + 300)
    assert translated.library is not None, translated.unsupported
    return built, translated.library


def call(library: Path, code: str, *arguments: Path) -> Any:  # noqa: ANN401
    """What `code` leaves in `result`, in a new process with the software CUDA preloaded as `cuda`."""
    program = f"{HEAD}\n{textwrap.dedent(code)}\nprint(json.dumps(result))\n"
    environment = {**os.environ, "PYTHONPATH": str(HARNESS)}
    command = [sys.executable, "-c", program, str(library), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def with_kernels(code: str) -> str:
    return KERNELS_HEAD + textwrap.dedent(code)


def test_is_compiled_once(toolchain: Toolchain, cache: Path, library: Path) -> None:
    made = library.stat().st_mtime_ns
    assert prepare_runtime(toolchain, cache) == library
    assert library.stat().st_mtime_ns == made
    assert not list(library.parent.parent.glob(".draft-*"))


def test_refuses_a_process_that_has_torch(library: Path) -> None:
    with pytest.raises(InstrumentError, match="before torch"):
        runtime.preload(library)


def test_fresh_memory_is_poisoned_and_keeps_its_distance(library: Path) -> None:
    result = call(
        library,
        """
        places = [malloc(n) for n in (1, 100, 1 << 20, 3 << 20)]
        first = ctypes.string_at(places[1], 100)
        last = ctypes.string_at(places[3] + (3 << 20) - 4, 4)
        runtime.poison(0x5A)
        other = ctypes.string_at(malloc(5), 5)
        nothing = malloc(0)
        result = [[p % 256 for p in places], first.hex(), last.hex(), other.hex(), nothing,
                  describe(places[1] + 99), describe(places[1] + 100), describe(places[2] - 8),
                  describe(places[3] + (3 << 20) + 4000), describe(0)]
        """,
    )
    assert result == [
        [0, 0, 0, 0],
        "ff" * 100,
        "ff" * 4,
        "5a" * 5,
        None,
        "99 bytes into an allocation of 100 bytes",
        "0 bytes past the end of an allocation of 100 bytes",
        "8 bytes before the start of an allocation of 1048576 bytes",
        "4000 bytes past the end of an allocation of 3145728 bytes",
        "a null pointer",
    ]


def test_freed_memory_is_named_and_goes_back_to_the_system(library: Path) -> None:
    result = call(
        library,
        """
        import resource
        small, big = malloc(64), malloc(8 << 20)
        freed = [free(small), free(big)]
        again = free(small)
        resident = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        before = resident()
        for _ in range(20):
            free(malloc(32 << 20))
        result = [freed, again, describe(small + 3), describe(big + (4 << 20)), (resident() - before) >> 20,
                  [malloc(n) not in (None, small) for n in (64, 64)],
                  describe(ctypes.addressof(ctypes.c_int())), malloc(1 << 50)]
        """,
    )
    assert result[:4] == [
        [0, 0],
        1,
        "3 bytes into an allocation of 64 bytes that was freed",
        "4194304 bytes into an allocation of 8388608 bytes that was freed",
    ]
    assert result[4] < 32
    assert result[5:] == [[True, True], "host memory that CUDA did not allocate", None]


def test_copies_stay_in_their_memory(library: Path) -> None:
    result = call(
        library,
        """
        a, b = malloc(64), malloc(64)
        host = ctypes.create_string_buffer(bytes(range(64)), 64)
        h = ctypes.addressof(host)
        codes = [copy(a, h, 64, 1), copy(b, a, 64, 3), copy(b + 32, a, 32, 4)]
        data = ctypes.string_at(b, 64)
        wrong = [copy(a, h, 65, 1), copy(h, a + 1, 64, 2), copy(h, h, 8, 1), copy(a, h, 8, 7), copy(a + 64, h, 1, 1)]
        last = cuda.cudaGetLastError(), cuda.cudaGetLastError()
        rows = cuda.cudaMemcpy2D(ctypes.c_void_p(a), ctypes.c_size_t(16), ctypes.c_void_p(h), ctypes.c_size_t(4),
                                 ctypes.c_size_t(2), ctypes.c_size_t(4), 1)
        fill = cuda.cudaMemset(ctypes.c_void_p(b), 7, ctypes.c_size_t(3))
        beyond = cuda.cudaMemset(ctypes.c_void_p(b), 7, ctypes.c_size_t(65))
        result = [codes, data == bytes(range(32)) * 2, wrong, last, rows,
                  [ctypes.string_at(a + 16 * r, 3).hex() for r in range(4)], fill, beyond,
                  ctypes.string_at(b, 4).hex()]
        """,
    )
    rows = ["000102", "040512", "080922", "0c0d32"]
    assert result == [[0, 0, 0], True, [1, 1, 1, 21, 1], [1, 0], 0, rows, 0, 1, "07070703"]


def test_streams_events_and_properties(library: Path) -> None:
    result = call(
        library,
        """
        def value(function, kind, *arguments):
            place = kind()
            assert function(ctypes.byref(place), *arguments) == 0
            return place.value
        stream = ctypes.c_void_p(value(cuda.cudaStreamCreate, ctypes.c_void_p))
        events = [ctypes.c_void_p(value(cuda.cudaEventCreate, ctypes.c_void_p)) for _ in range(3)]
        for event in events[:2]:
            cuda.cudaEventRecord(event, stream)
        elapsed = value(cuda.cudaEventElapsedTime, ctypes.c_float, *events[:2])
        never = cuda.cudaEventElapsedTime(ctypes.byref(ctypes.c_float()), events[0], events[2])
        attributes = [value(cuda.cudaDeviceGetAttribute, ctypes.c_int, n, 0) for n in (1, 8, 10, 16, 39, 75, 76, 97)]
        ends = [cuda.cudaStreamQuery(stream), cuda.cudaStreamSynchronize(stream), cuda.cudaStreamDestroy(stream)]
        capture = cuda.cudaStreamBeginCapture(None, 0)
        driver = ctypes.CDLL("libcuda.so.1")
        count = value(driver.cuDeviceGetCount, ctypes.c_int)
        result = [elapsed >= 0, never, attributes, ends, capture, runtime.report().unsupported,
                  cuda.cudaGetErrorString(801).decode().endswith(": CUDA graphs"), count,
                  driver.cuLaunchKernel(), driver.cudaSetDevice(1), driver.cudaGetLastError()]
        runtime.reset_report()
        result += [runtime.report().unsupported]
        """,
    )
    attributes = [1024, 48 << 10, 32, 132, 2048, 9, 0, 227 << 10]
    assert result == [True, 400, attributes, [0, 0, 0], 801, "CUDA graphs", True, 1, 801, 101, 101, None]


def test_runs_what_nvcc_built(library: Path, kernels: tuple[Path, Path]) -> None:
    result = call(
        library,
        with_kernels("""
        counted, summed = ctypes.c_int(), ctypes.c_int()
        code = built.scale_all(X, Y, 60, ctypes.byref(counted), ctypes.byref(summed))
        copy(ctypes.addressof(host), y, 256, 2)
        by_function = built.launch_by_function(X)
        first = ctypes.c_float.from_address(x + 28).value, ctypes.c_float.from_address(x + 32).value
        report = runtime.report()
        result = [code, host[:60] == [3.0 * i for i in range(60)], host[60] != host[60], counted.value, summed.value,
                  by_function, first, report.launches, report.fault, report.unsupported, report.lints]
        """),
        *kernels,
    )
    launches = {"_Z6scaledPKfPfi": 1, "_Z7boundedPf": 1}
    assert result == [0, True, True, 60, 60, 0, [1.0, 8.0], launches, None, None, []]


def test_launches_fail_as_on_a_gpu(library: Path, kernels: tuple[Path, Path]) -> None:
    result = call(
        library,
        with_kernels("""
        y = malloc(1 << 20)
        Y = ctypes.c_void_p(y)
        shapes = [(1, 1, 32, 1, 1), (0, 1, 32, 1, 1), (1, 65536, 32, 1, 1), (1, 1, 1025, 1, 1), (1, 1, 32, 33, 1),
                  (1, 1, 1, 1, 65), (1, 1, 0, 1, 1)]
        codes = [built.launch_dynamic(Y, *shape, 4096) for shape in shapes]
        shared = [built.launch_dynamic(Y, 1, 1, 32, 1, 1, n) for n in (48 << 10, (48 << 10) + 1)]
        allowed = [built.allow(227 << 10), built.allow((227 << 10) + 1)]
        after = [built.launch_dynamic(Y, 1, 1, 32, 1, 1, n) for n in (200 << 10, (227 << 10) + 1)]
        result = [codes, shared, allowed, after,
                  [built.launch_fixed(Y, n) for n in (16 << 10, (16 << 10) + 1)],
                  [built.launch_bounded(Y, n) for n in (64, 65)],
                  built.launch_cooperatively(Y, 132 * 32 + 1), built.launch_nothing(),
                  built.blocks_of_fixed(32), built.blocks_of_fixed(1024), built.shared_of_fixed(),
                  runtime.report().fault]
        """),
        *kernels,
    )
    assert result == [[0, 9, 9, 9, 9, 9, 9], [0, 1], [0, 1], [0, 1], [0, 1], [0, 701], 720, 98, 6, 2, 32768, None]


def test_a_fault_stands(library: Path, kernels: tuple[Path, Path]) -> None:
    result = call(
        library,
        with_kernels("""
        code = built.write_at(Y, 64)
        result = [code, cuda.cudaDeviceSynchronize(), malloc(8), built.write_at(Y, 0), cuda.cudaGetLastError(),
                  cuda.cudaGetLastError(), cuda.cudaGetErrorString(700).decode(), runtime.report().fault, free(y)]
        """),
        *kernels,
    )
    assert result[:6] == [700, 700, None, 700, 700, 700]
    text, fault, freed = result[6:]
    assert text.endswith(f": {fault}")
    assert "beyond" in fault and "past the end of an allocation of 256 bytes" in fault
    assert freed == 0


def test_skipped_launches_do_nothing(library: Path, kernels: tuple[Path, Path]) -> None:
    result = call(
        library,
        with_kernels("""
        runtime.skip_launches(True)
        skipped = [built.launch_bounded(X, 8), built.write_at(Y, 1 << 20), ctypes.c_float.from_address(x).value]
        runtime.skip_launches(False)
        result = [skipped, built.launch_bounded(X, 8), ctypes.c_float.from_address(x).value, runtime.report().launches]
        """),
        *kernels,
    )
    assert result == [[0, 0, 0.0], 0, 1.0, {"_Z7boundedPf": 1}]


def test_untranslated_kernels_are_unsupported(library: Path, kernels: tuple[Path, Path]) -> None:
    result = call(
        library,
        """
        built = ctypes.CDLL(sys.argv[1])
        y = malloc(256)
        code = built.launch_bounded(ctypes.c_void_p(y), 8)
        result = [code, runtime.report().unsupported, ctypes.string_at(y, 4).hex()]
        """,
        *kernels,
    )
    assert result == [801, "torch's own CUDA kernel bounded(float*)", "ffffffff"]

"""`python -m kval_harness`: a worker on stdin and stdout. PROTOCOL.md says what it speaks."""

from __future__ import annotations

import argparse
import ctypes
import importlib
import os
import sys
from pathlib import Path

KEPT = ("PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "CXX", "CC", "MAX_JOBS")
KEPT_PREFIXES = ("LC_", "PYTHON", "CUDA_", "NVIDIA_", "KVAL_", "XDG_", "OPENBLAS_")
PR_SET_DUMPABLE = 4


def main() -> None:
    parser = argparse.ArgumentParser(prog="kval_harness", description="Judges CUDA kernels over stdin and stdout.")
    parser.add_argument(
        "--cpu-device", type=Path, metavar="CACHE_FOLDER", help="execute on device kind 'cpu': CUDA in software"
    )
    parser.add_argument("--cpu-threads", type=int, metavar="COUNT", help="how many threads one job may use on it")
    parser.add_argument("--host-device-for-tests", action="store_true", help="also execute on device kind 'host'")
    options = parser.parse_args()
    _forget_secrets()
    from kval_harness.protocol import Wire

    wire = Wire.claim()
    # Not to be traced or read through /proc by what it forks, also where that runs as the same user.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    cpu_threads: int | None = None
    if options.cpu_device is not None:
        cpu_threads = options.cpu_threads or len(os.sched_getaffinity(0))
        _preload_runtime(options.cpu_device)
    try:
        importlib.import_module("torch")  # once, here: every child is forked with it
    except ImportError as error:
        sys.stderr.write(f"torch cannot be imported: {error}\n")
    if cpu_threads is not None:
        from kval_harness.cpu_device.operators import install

        install()
    from kval_harness.worker import Worker

    Worker(wire, cpu_threads=cpu_threads, host_device=options.host_device_for_tests).serve()


def _preload_runtime(cache_folder: Path) -> None:
    """Puts CUDA in software where torch will look for CUDA. Ends the process where that cannot be."""
    from kval_harness.build.toolchain import find_toolchain
    from kval_harness.cpu_device.runtime import preload, prepare_runtime
    from kval_harness.outcome import InstrumentError

    try:
        preload(prepare_runtime(find_toolchain(cache_folder), cache_folder))
    except InstrumentError as error:
        sys.exit(f"no CUDA in software: {error.message}")


def _forget_secrets() -> None:
    """Starts again without the variables that a worker does not need: a child's memory would still hold them."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith(KEPT_PREFIXES)}
    kept["OPENBLAS_NUM_THREADS"] = "1"  # numpy would start threads, and only a process without any can fork safely
    if kept != dict(os.environ):
        arguments = [sys.executable, *(f"-X{one}" for one in sys._xoptions), "-m", "kval_harness", *sys.argv[1:]]
        os.execve(sys.executable, arguments, kept)


if __name__ == "__main__":
    main()

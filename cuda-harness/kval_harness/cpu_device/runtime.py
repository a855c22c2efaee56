"""The CUDA runtime in software: compiled once, loaded before torch, spoken to through its few C functions.

Once `preload` has put the library in front of the process's symbols, torch and every CUDA extension call it where they
mean `libcudart`, `libcuda` or `libcublas`.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kval_harness.build.steps import instrument_error, run_step
from kval_harness.build.toolchain import Toolchain
from kval_harness.outcome import InstrumentError

NATIVE = Path(__file__).parent / "native"
LIBRARY = "libkval_cuda.so"
# Torch's loader looks for the driver by this name and takes what is loaded under it.
DRIVER_NAME = "libcuda.so.1"
COMPILE_LIMIT_S = 300.0
ORDERS = {"forward": 0, "reverse": 1, "random": 2}
Order = Literal["forward", "reverse", "random"]


@dataclass(frozen=True)
class Report:
    """What kernels did since the last reset. `launches`: how often each kernel ran, by its mangled name; `fault`: the
    first wrong access or assert; `unsupported`: the first thing asked for that the software device does not do."""

    launches: dict[str, int]
    fault: str | None
    unsupported: str | None
    lints: tuple[str, ...]


_loaded: ctypes.CDLL | None = None


def prepare_runtime(toolchain: Toolchain, cache_folder: Path, stop: Callable[[], bool] | None = None) -> Path:
    """The runtime's library for this machine, compiled where the cache has none (some 20 seconds, once).

    Raises:
        InstrumentError: it does not compile here, or memory or disk ran out.
        Interrupted: `stop` said so.
    """
    place = cache_folder.resolve() / "cpu-device" / _key(toolchain)
    if not (place / LIBRARY).exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=place.parent))
        try:
            _compile(toolchain, draft, stop)
            try:
                draft.rename(place)
            except OSError as error:
                if not (place / LIBRARY).exists():  # somebody else was faster is fine
                    raise instrument_error(error, "the software CUDA cannot be put into the cache") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return place / LIBRARY


def preload(library: Path) -> None:
    """Puts the runtime in front of CUDA's own libraries, for good. Torch must not be imported yet.

    Raises:
        InstrumentError: torch came first, or the library does not load.
    """
    global _loaded
    if "torch" in sys.modules:
        raise InstrumentError("internal", "the software CUDA must be loaded before torch is imported", retry=False)
    # Every tensor becomes an allocation of its own, whose bounds are checked.
    os.environ["PYTORCH_NO_CUDA_MEMORY_CACHING"] = "1"
    try:
        loaded = ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise InstrumentError("internal", f"the software CUDA does not load: {error}", retry=False) from error
    loaded.kval_load_module.argtypes = [ctypes.c_char_p]
    loaded.kval_load_module.restype = ctypes.c_int
    loaded.kval_settings.argtypes = [ctypes.c_int, ctypes.c_uint64, ctypes.c_int, ctypes.c_int, ctypes.c_int]
    loaded.kval_settings.restype = None
    loaded.kval_report.argtypes = []
    loaded.kval_report.restype = ctypes.c_char_p
    loaded.kval_reset_report.argtypes = []
    loaded.kval_reset_report.restype = None
    loaded.kval_skip_launches.argtypes = [ctypes.c_int]
    loaded.kval_skip_launches.restype = None
    loaded.kval_poison.argtypes = [ctypes.c_int]
    loaded.kval_poison.restype = None
    loaded.kval_fill.argtypes = [ctypes.c_int]
    loaded.kval_fill.restype = None
    loaded.kval_refuse.argtypes = [ctypes.c_char_p]
    loaded.kval_refuse.restype = None
    _loaded = loaded


def loaded_runtime() -> ctypes.CDLL:
    """The library that `preload` loaded.

    Raises:
        InstrumentError: none is loaded.
    """
    if _loaded is None:
        raise InstrumentError("internal", "the software CUDA is not loaded in this process", retry=False)
    return _loaded


def load_module(path: Path) -> None:
    """Gives the runtime the translated kernels of an extension.

    Raises:
        InstrumentError: the module does not load.
    """
    if loaded_runtime().kval_load_module(os.fsencode(path)) != 0:
        raise InstrumentError("internal", f"the translated kernels in {path} do not load", retry=False)


def configure(order: Order, seed: int, threads: int, lenient_masks: bool, races: bool) -> None:
    """How kernels run from here on: the order of blocks and threads, the seed of a random one, and what is checked."""
    loaded_runtime().kval_settings(ORDERS[order], seed, threads, int(lenient_masks), int(races))


def skip_launches(on: bool) -> None:
    """While on, the candidate's kernels do nothing and say that they did."""
    loaded_runtime().kval_skip_launches(int(on))


def poison(byte: int) -> None:
    """What fresh memory is filled with from here on; 0xFF (NaNs) where nobody says."""
    loaded_runtime().kval_poison(byte)


def report() -> Report:
    """What happened since the last `reset_report`."""
    text: bytes = loaded_runtime().kval_report()
    found = json.loads(text.decode(errors="replace"))
    return Report(
        launches={launch["name"]: launch["count"] for launch in found["launches"]},
        fault=found["fault"],
        unsupported=found["unsupported"],
        lints=tuple(found["lints"]),
    )


def reset_report() -> None:
    loaded_runtime().kval_reset_report()


def _key(toolchain: Toolchain) -> str:
    digest = hashlib.sha256()
    for path in sorted(NATIVE.iterdir()):
        if path.suffix in (".h", ".cpp"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    identity = {**toolchain.identity(), "arch": "", "root": str(toolchain.cuda_include), "tool": toolchain.cxx}
    digest.update(json.dumps(identity, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def _compile(toolchain: Toolchain, folder: Path, stop: Callable[[], bool] | None) -> None:
    sources = [str(path) for path in sorted(NATIVE.glob("*.cpp"))]
    flags = ["-O2", "-std=c++17", "-fPIC", "-shared", "-pthread", "-w", f"-Wl,-soname,{DRIVER_NAME}"]
    command = [toolchain.cxx, *flags, f"-I{toolchain.cuda_include}", *sources, "-o", LIBRARY, "-ldl"]
    deadline = time.monotonic() + COMPILE_LIMIT_S
    environment = toolchain.environment(folder)
    step = run_step("g++", command, folder=folder, environment=environment, deadline=deadline, stop=stop)
    if not step.ok:
        message = f"the software CUDA does not compile here: {step.output[:2000]}"
        raise InstrumentError("internal", message, retry=False)

"""Does a library load? Asked in a clean child with torch imported, binding every symbol at once."""

from __future__ import annotations

import ctypes
import functools
import importlib.machinery
import importlib.util
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from kval_harness.build.diagnostics import demangle
from kval_harness.build.steps import run_step
from kval_harness.contain import Channel, Fences, Json, Limits, run_child
from kval_harness.outcome import InstrumentError, LoadError, Timeout

LIMIT_S = 60.0
MEMORY_BYTES = 8 * 1024**3


@dataclass(frozen=True)
class Loaded:
    """What importing the module gives: its public names. A plain library has none."""

    exports: tuple[str, ...]


def check_load(
    library: Path,
    name: str,
    *,
    is_python_module: bool,
    folder: Path,
    environment: dict[str, str],
    stop: Callable[[], bool] | None = None,
) -> Loaded | LoadError | Timeout:
    """Loads `library` as the module `name` (or as a plain library) with immediate binding, in a child of its own.

    Raises:
        InstrumentError: torch cannot be imported here, or the child was killed for want of memory.
        Interrupted: `stop` said so.
    """
    task = functools.partial(_load, library, name, is_python_module)
    end = run_child(
        task,
        folder=folder,
        limits=Limits(wall_s=LIMIT_S, memory_bytes=MEMORY_BYTES),
        fences=Fences((library,)),
        stop=stop,
    )
    if end.kind == "timeout":
        return Timeout("load", LIMIT_S * 1000)
    if end.kind == "returned" and isinstance(end.value, dict):
        said = end.value
        if said.get("noTorch"):
            raise InstrumentError("toolchain-missing", f"torch cannot be imported: {said['noTorch']}", retry=False)
        if said.get("error") is None:
            exports = said.get("exports")
            return Loaded(tuple(str(one) for one in exports) if isinstance(exports, list) else ())
        return _explained(str(said["error"]), library, folder, environment, stop)
    if end.kind == "signalled" and end.signal == 9:
        raise InstrumentError("out-of-memory", "the load check was killed; run fewer workers", retry=True)
    how = f"signal {end.signal}" if end.kind == "signalled" else f"exit code {end.exit_code}"
    return LoadError(f"the process died while it loaded the module ({how}): {end.stderr[-500:]}".strip())


def _explained(
    error: str, library: Path, folder: Path, environment: dict[str, str], stop: Callable[[], bool] | None
) -> LoadError:
    """The loader names the first missing symbol only; the others are those that a second child cannot find either."""
    if "undefined symbol" not in error:
        return LoadError(error)
    first = re.findall(r"undefined symbol: ([\w.$]+)", error)
    wanted = run_step(
        "nm",
        ["nm", "-D", "--undefined-only", str(library)],
        folder=folder,
        environment=environment,
        deadline=time.monotonic() + 30,
        stop=stop,
    )
    symbols = [match.group(1) for match in re.finditer(r"^\s+U ([^\s@]+)(?:@\S+)?$", wanted.stdout, re.MULTILINE)]
    end = run_child(
        functools.partial(_missing, library, symbols),
        folder=folder,
        limits=Limits(wall_s=LIMIT_S),
        fences=Fences((library,)),
        stop=stop,
    )
    found = end.value if end.kind == "returned" and isinstance(end.value, list) else []
    missing = list(dict.fromkeys([*first, *(str(symbol) for symbol in found)]))
    return LoadError(error, tuple(demangle(symbol) for symbol in missing))


def _load(library: Path, name: str, is_python_module: bool, channel: Channel) -> Json:
    import sys

    try:
        import torch  # noqa: F401  (its libraries are what the module links against)
    except Exception as error:
        return {"noTorch": f"{type(error).__name__}: {error}"}
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_LOCAL)
    try:
        if not is_python_module:
            ctypes.CDLL(str(library), mode=os.RTLD_NOW | os.RTLD_LOCAL)
            return {"exports": []}
        loader = importlib.machinery.ExtensionFileLoader(name, str(library))
        spec = importlib.util.spec_from_file_location(name, str(library), loader=loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
    except BaseException as error:
        return {"error": str(error).replace(str(library), f"{name}.so") or type(error).__name__}
    return {"exports": [one for one in dir(module) if not one.startswith("__")]}


def _missing(library: Path, symbols: list[str], channel: Channel) -> Json:
    """Those of `symbols` that neither the process nor what the library links against has."""
    import torch  # noqa: F401

    needed = [ctypes.CDLL(None)]
    for path in _torch_libraries():
        try:
            needed.append(ctypes.CDLL(path))
        except OSError:
            continue
    return cast(Json, [symbol for symbol in symbols if not any(hasattr(one, symbol) for one in needed)])


def _torch_libraries() -> list[str]:
    """Every library that this process has mapped; torch's and CUDA's are among them."""
    mapped = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    return sorted(set(re.findall(r"(/\S+\.so[.\d]*)$", mapped, re.MULTILINE)))

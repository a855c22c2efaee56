"""A built library's kernels as code for this machine: its PTX translated, and compiled by the C++ compiler."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kval_harness.build.cache import BuildCache
from kval_harness.build.fatbin import ptx_in
from kval_harness.build.steps import instrument_error, run_step
from kval_harness.build.toolchain import Toolchain
from kval_harness.cpu_device.translation.program import module_hash, translate_ptx
from kval_harness.cpu_device.translation.ptx import Unsupported
from kval_harness.outcome import InstrumentError

HERE = Path(__file__).parent
LIBRARY = "kernels.so"
# As a device does it: a fused multiply-add where PTX says so and nowhere else, no traps, no errno. Without the two
# passes that look for repeated expressions, which took minutes and gigabytes on functions of some thousand statements.
FLAGS = (
    "-std=c++17", "-O2", "-fno-gcse", "-fno-tree-pre", "-march=native", "-ffp-contract=off", "-fno-strict-aliasing",
    "-fno-math-errno", "-fno-trapping-math", "-fno-exceptions", "-fno-asynchronous-unwind-tables", "-fPIC", "-shared",
    "-w",
)  # fmt: skip


@dataclass(frozen=True)
class Translated:
    """A `library` for the software runtime to load; none where the build has no kernels, or where `unsupported` names
    what a kernel uses that is not translated."""

    library: Path | None
    unsupported: str | None = None


def translate(
    library: Path,
    folder: Path,
    toolchain: Toolchain,
    *,
    deadline: float,
    cache: BuildCache | None = None,
    stop: Callable[[], bool] | None = None,
) -> Translated:
    """Translates every kernel of `library`, which was built with PTX inside. `deadline` is of `time.monotonic`.

    Raises:
        InstrumentError: `unsupported` past the deadline; out of memory, disk full, compiler gone.
        Interrupted: `stop` said so.
    """
    texts = ptx_in(library)
    if not texts:
        return Translated(None, None)
    key = _key(texts, toolchain)
    if cache is not None:
        with cache.use(key) as entry:
            if entry is not None:
                return _copied(entry.library, entry.record.get("unsupported"), folder)
    made = _make(texts, folder, toolchain, deadline, stop)
    if cache is not None:
        cache.put(key, {"unsupported": made.unsupported}, made.library)
    return made


def _make(
    texts: list[str], folder: Path, toolchain: Toolchain, deadline: float, stop: Callable[[], bool] | None
) -> Translated:
    names = []
    for text in dict.fromkeys(texts):
        try:
            source = translate_ptx(text)
        except Unsupported as error:
            return Translated(None, str(error))
        names.append(f"{module_hash(text):016x}")
        _write(folder / f"{names[-1]}.cpp", source)
    _write(folder / "modules.cpp", _listing(names))
    sources = [f"{name}.cpp" for name in [*names, "modules"]]
    command = [toolchain.cxx, *FLAGS, "-I", str(HERE / "native"), *sources, "-o", LIBRARY]
    environment = toolchain.environment(folder)
    step = run_step("g++", command, folder=folder, environment=environment, deadline=deadline, stop=stop)
    if step.timed_out:
        raise InstrumentError("unsupported", "the translation of its kernels takes too long to compile", retry=False)
    if not step.ok:
        raise InstrumentError("internal", f"translated kernels do not compile: {step.output[:2000]}", retry=False)
    return Translated(folder / LIBRARY)


def _listing(names: list[str]) -> str:
    return "\n".join(
        [
            '#include "simt.h"',
            *(f'extern "C" const kval::Module kval_module_{name};' for name in names),
            'extern "C" __attribute__((visibility("default"))) const kval::Module* const kval_modules[] = {',
            *(f"  &kval_module_{name}," for name in names),
            "  nullptr,",
            "};",
        ]
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise instrument_error(error, f"the scratch folder {path.parent} cannot be written") from error


def _copied(library: Path | None, unsupported: object, folder: Path) -> Translated:
    if library is None:
        return Translated(None, unsupported if isinstance(unsupported, str) else None)
    try:
        shutil.copyfile(library, folder / LIBRARY)
    except OSError as error:
        raise instrument_error(error, f"the scratch folder {folder} cannot be written") from error
    return Translated(folder / LIBRARY)


def _key(texts: list[str], toolchain: Toolchain) -> str:
    parts = [_version(), toolchain.cxx_version, _machine(), *texts]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@functools.cache
def _version() -> str:
    """Changes with everything that decides what a translation does."""
    own = [*sorted((HERE / "translation").glob("*.py")), HERE / "module.py", HERE / "native" / "simt.h"]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in own)).hexdigest()


@functools.cache
def _machine() -> str:
    """What `-march=native` means here."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")

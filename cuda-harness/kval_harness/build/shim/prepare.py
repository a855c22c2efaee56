"""What the fast build needs once for each environment: the runtime, a precompiled header, link stubs.

Everything lies in one folder of the cache, named by a hash of what it is made from, put together beside its place and
renamed there: many builders may start at once, and a killed one leaves only a draft behind.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kval_harness.build.shim.demand import Demand, bindings_only, least
from kval_harness.build.shim.operators import INDEX_VERSION, Operators, load_operators
from kval_harness.build.shim.vocabulary import Names, Vocabulary, macro_names, names_of, vocabulary
from kval_harness.build.steps import instrument_error, run_step
from kval_harness.build.stock import NVCC_FLAGS
from kval_harness.build.toolchain import Toolchain
from kval_harness.outcome import InstrumentError

SHIM = Path(__file__).parent
INCLUDE = SHIM / "include"
# The libraries that torch links an extension with; the linker needs only their names, the process has them loaded.
TORCH_LIBRARIES = ("c10", "c10_cuda", "torch_cpu", "torch_cuda", "torch", "torch_python")
# Torch's own headers that are light enough to be used as they are.
REAL_HEADERS = (
    "ATen/Dispatch.h",
    "ATen/core/Reduction.h",
    "ATen/core/TensorAccessor.h",
    "c10/util/Deprecated.h",
    "c10/util/TypeSafeSignMath.h",
    "c10/util/irange.h",
    "torch/headeronly/core/Dispatch.h",
    "torch/headeronly/core/TensorAccessor.h",
    "torch/headeronly/macros/Export.h",
    "torch/headeronly/macros/Macros.h",
    "torch/headeronly/macros/cmake_macros.h",
    "torch/headeronly/util/BFloat16.h",
    "torch/headeronly/util/Deprecated.h",
    "torch/headeronly/util/Half.h",
    "torch/headeronly/util/TypeSafeSignMath.h",
    "torch/headeronly/util/bit_cast.h",
    "torch/headeronly/util/floating_point_utils.h",
)
PARTS = ("bindings", "least")
STARTING_HEADERS = "".join(
    f"#include <{name}>\n" for name in ("torch/types.h", "cuda.h", "cuda_runtime.h", "torch/extension.h")
)
PREPARE_LIMIT_S = 300.0


@dataclass(frozen=True)
class Prepared:
    """`runtime`: the object linked into every extension; `precompiled` and `bindings`: include folders for g++ calls
    without flags of the candidate's own; `real`: torch's own light headers; `stubs`: empty libraries that
    carry the names of torch's."""

    runtime: Path
    precompiled: Path
    bindings: Path
    real: Path
    stubs: Path
    operators: Operators
    vocabulary: Vocabulary


_prepared: dict[Path, Prepared] = {}


def prepare(toolchain: Toolchain, cache_folder: Path, stop: Callable[[], bool] | None = None) -> Prepared:
    """The prepared environment of `toolchain`, made where the cache has none (some 20 seconds, once).

    Raises:
        InstrumentError: the shim does not compile here, or memory or disk ran out.
        Interrupted: `stop` said so.
    """
    place = cache_folder.resolve() / "shim" / _key(toolchain)
    found = _prepared.get(place)
    if found is not None and found.runtime.exists():
        return found
    operators = load_operators(toolchain.torch_root, toolchain.torch_version, place.parent)
    if not (place / "runtime.o").exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=place.parent))
        try:
            _make(toolchain, operators, draft, stop)
            try:
                draft.rename(place)
            except OSError as error:
                if not (place / "runtime.o").exists():  # somebody else was faster is fine
                    raise instrument_error(error, "the fast build's headers cannot be put into the cache") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    words = Vocabulary.from_json(json.loads((place / "vocabulary.json").read_text(encoding="utf-8")))
    made = Prepared(
        runtime=place / "runtime.o",
        precompiled=place / "precompiled",
        bindings=place / "bindings",
        real=place / "real",
        stubs=place / "stubs",
        operators=operators,
        vocabulary=words,
    )
    _prepared[place] = made
    return made


def shim_hash() -> str:
    """Changes with every change of the shim, so that nothing built by another one is taken for its work."""
    digest = hashlib.sha256()
    for path in sorted(SHIM.rglob("*")):
        if path.suffix in (".h", ".cpp", ".py"):
            digest.update(path.relative_to(SHIM).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _key(toolchain: Toolchain) -> str:
    identity = {**toolchain.identity(), "arch": "", "root": str(toolchain.torch_root), "shim": shim_hash()}
    text = json.dumps([identity, INDEX_VERSION, str(toolchain.python_include), toolchain.cxx], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _make(toolchain: Toolchain, operators: Operators, folder: Path, stop: Callable[[], bool] | None) -> None:
    deadline = time.monotonic() + PREPARE_LIMIT_S
    _write(bindings_only(operators), folder / "bindings")
    _write(least(operators), folder / "least")
    for name in REAL_HEADERS:
        (folder / "real" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "real" / name).symlink_to(toolchain.torch_root / "include" / name)
    real = [f"-I{path}" for path in (*toolchain.torch_includes, toolchain.cuda_include, toolchain.python_include)]
    runtime = [toolchain.cxx, "-O2", "-std=c++17", "-fPIC", "-fvisibility=hidden", "-w", *real]
    _run(toolchain, [*runtime, "-c", str(SHIM / "runtime.cpp"), "-o", "whole.o"], folder, deadline, stop)
    # Nothing but kval_* leaves the runtime: its inline copies of torch's code must not meet the shim's.
    _run(toolchain, ["ld", "-r", "--force-group-allocation", "whole.o", "-o", "runtime.o"], folder, deadline, stop)
    _run(toolchain, ["objcopy", "--wildcard", "--keep-global-symbol=kval_*", "runtime.o"], folder, deadline, stop)
    (folder / "whole.o").unlink()
    (folder / "stubs").mkdir()
    for name in TORCH_LIBRARIES:
        stub = ["-shared", "-nostdlib", f"-Wl,-soname,lib{name}.so", "-x", "c", os.devnull]
        _run(toolchain, [toolchain.cxx, *stub, "-o", f"stubs/lib{name}.so"], folder, deadline, stop)
    header = folder / "precompiled" / "torch" / "extension.h.gch"
    header.parent.mkdir(parents=True)
    shutil.copyfile(INCLUDE / "torch" / "extension.h", header.with_suffix(""))  # for whoever includes it twice
    words = [toolchain.cxx, "-x", "c++-header", str(INCLUDE / "torch" / "extension.h"), "-fPIC", "-std=c++17"]
    words += ["-isystem", str(folder / "bindings"), "-isystem", str(INCLUDE)]
    words += ["-isystem", str(folder / "real")]
    words += ["-isystem", str(toolchain.cuda_include), "-o", str(header)]
    _run(toolchain, words, folder, deadline, stop)
    ours = ["-isystem", str(INCLUDE), "-isystem", str(folder / "real")]
    shim = [["-isystem", str(folder / part), *ours] for part in PARTS]
    torch_flags = [word for path in toolchain.torch_includes for word in ("-isystem", str(path))]
    torch_flags += ["-isystem", str(toolchain.python_include)]
    torch, full, bare = (_names(toolchain, flags, folder, deadline, stop) for flags in (torch_flags, *shim))
    found = vocabulary(torch, full, bare, frozenset([*operators.functions, *operators.methods, *operators.factories]))
    (folder / "vocabulary.json").write_text(json.dumps(found.to_json(), separators=(",", ":")), encoding="utf-8")


def _write(demand: Demand, folder: Path) -> None:
    (folder / "kval").mkdir(parents=True)
    for name, text in demand.files().items():
        (folder / "kval" / name).write_text(text, encoding="utf-8")


def _names(
    toolchain: Toolchain, includes: list[str], folder: Path, deadline: float, stop: Callable[[], bool] | None
) -> Names:
    """What the headers that a candidate starts with declare, in the flavour of `includes`."""
    source = folder / "headers.cu"
    source.write_text(STARTING_HEADERS, encoding="utf-8")
    words = [str(toolchain.nvcc), *NVCC_FLAGS, "-std=c++17", *includes, "-isystem", str(toolchain.cuda_include)]
    _run(toolchain, [*words, "-E", str(source), "-o", "headers.ii"], folder, deadline, stop)
    macros = _run(toolchain, [*words, "-E", "-Xcompiler", "-dM", str(source)], folder, deadline, stop)
    text = (folder / "headers.ii").read_text(encoding="utf-8", errors="replace")
    (folder / "headers.ii").unlink()
    return names_of(text, macro_names(macros))


def _run(
    toolchain: Toolchain, command: list[str], folder: Path, deadline: float, stop: Callable[[], bool] | None
) -> str:
    environment = toolchain.environment(folder)
    tool = Path(command[0]).name
    step = run_step(tool, command, folder=folder, environment=environment, deadline=deadline, stop=stop)
    if not step.ok:
        message = f"the fast build cannot be prepared here: {' '.join(command)}: {step.output[:2000]}"
        raise InstrumentError("internal", message, retry=False)
    return step.stdout

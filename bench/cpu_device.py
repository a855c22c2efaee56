"""How much of what language models write does the `cpu` device run, how fast, and how often is it wrong?

    python bench/cpu_device.py                     every stage, at its full size (hours on two cores)
    python bench/cpu_device.py --stage build       what builds once the two binding faults are repaired
    python bench/cpu_device.py --stage run --limit 20
    python bench/cpu_device.py --stage report      the table of what is measured so far
    python bench/cpu_device.py --only cuda-l1:42 --keep     one kernel, with everything printed

Kernels come from the corpora (`KVAL_CORPORA`, else `../shared/corpora`). Set `own`: all CUDA kernels of CUDA-L1 with
their own references and sizes. Set `scaled`: kernels of the other files, whose problems are shrunk until the reference
is small work (the module's size constants become a `SMALL`, batch sizes first). Most CUDA-L1 kernels break a rule of
torch's `load_inline` and hide that behind `except`; this benchmark, not the harness, repairs the binding (`repaired`
says how), so that the kernels themselves run. Every result is appended to `bench/results/cpu-device.jsonl` and not
measured again; the figures go to `bench/results/cpu-device.json`.
"""

from __future__ import annotations

import argparse
import ast
import functools
import json
import os
import platform
import random
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "cuda-harness"))

from kval_harness import compare, probe  # noqa: E402
from kval_harness.build.candidate import Builder  # noqa: E402
from kval_harness.build.spec import ExtensionSpec  # noqa: E402
from kval_harness.build.toolchain import find_toolchain  # noqa: E402
from kval_harness.contain import Channel, Json, Limits, run_child  # noqa: E402
from kval_harness.outcome import InstrumentError  # noqa: E402
from kval_harness.probe import Answer, Refusal, load_library  # noqa: E402
from kval_harness.problem import load_problem  # noqa: E402
from kval_harness.protocol import BuildParams, Fields  # noqa: E402
from kval_harness.stages import Stages  # noqa: E402

RESULTS = ROOT / "bench" / "results"
MEASURED = RESULTS / "cpu-device.jsonl"
CACHE = ROOT / ".kval" / "bench-cache"
SCALED = CACHE / "scaled.jsonl"
STAGES = ("build", "run", "report")
SCALED_KERNELS = 130
LIMIT_S = 110.0
BUILD_LIMIT_S = 1800.0
OLD_TOLERANCE = 1e-2  # KernelBench's first rule, absolute and relative
SMALL_WORK = 3e8  # multiplications and additions of a scaled reference
SMALL_VALUES = 3e6  # elements of its inputs, weights and outputs together
BATCH_NAME = re.compile(r"batch|^b$|^bs$", re.IGNORECASE)
FRACTIONAL = re.compile(r"\b(?:float|double|half|__half|scalar_t)\b")
HALF = re.compile(r"\s*(?:const\s+)?(?:__)?half\s*")
LAUNCHER = "bench_launch_"
QUALIFIERS = re.compile(
    r"\b(?:__global__|__host__|__forceinline__|static|inline)\b|__launch_bounds__\s*\([^)]*\)|\[\[\w+\]\]"
)


def main() -> None:
    options = _options()
    RESULTS.mkdir(parents=True, exist_ok=True)
    if options.only:
        _one(options.only, options)
        return
    stages = [options.stage] if options.stage else list(STAGES)
    if stages != ["report"]:
        if "run" in stages:
            start_device()
        probe.load_library = load_with_launchers
        kernels = [*own_kernels(_corpora()), *scaled_kernels(_corpora(), options.seed)]
        for stage in stages:
            if stage != "report":
                _stage(stage, kernels[: options.limit], options)
    _report(options)


@dataclass(frozen=True)
class Kernel:
    id: str
    group: str
    source: str
    problem: str
    small: bool


def _stage(stage: str, kernels: Sequence[Kernel], options: argparse.Namespace) -> None:
    done = {one["id"] for one in _measured(stage)}
    built = {one["id"] for one in _measured("build") if one["outcome"] == "built"}
    waiting = [one for one in kernels if one.id not in done and (stage == "build" or one.id in built)]
    for count, kernel in enumerate(waiting, 1):
        row = (measure_build if stage == "build" else measure_run)(kernel, options)
        _append(MEASURED, row)
        print(f"{stage} {count}/{len(waiting)} {kernel.id}: {row['outcome']} in {row['ms'] / 1000:.1f} s", flush=True)


def measure_build(kernel: Kernel, options: argparse.Namespace) -> dict[str, Any]:
    with _folder(options.keep) as folder:
        found = judged(kernel, folder, executing=False)
    row: dict[str, Any] = {"stage": "build", "id": kernel.id, "group": kernel.group, "ms": found.build_ms}
    row["repairs"] = found.repairs
    if found.failure is not None:
        return row | {"outcome": f"error:{found.failure.code}"}
    outcome, record = found.result["outcome"], found.result["build"]
    extensions = record["extensions"] if record else []
    return row | {
        "outcome": outcome["status"],
        "where": outcome.get("stage") or outcome.get("phase") or outcome.get("reason"),
        "paths": sorted({one["path"] for one in extensions}),
        "cached": all(one["cached"] for one in extensions),
        "kernels": len({kernel["name"] for one in extensions for kernel in one["kernels"]}),
    }


def measure_run(kernel: Kernel, options: argparse.Namespace) -> dict[str, Any]:
    """Our own rule first; where its verdict is a mismatch, KernelBench's first one as well."""
    with _folder(options.keep) as folder:
        found = judged(kernel, folder / "kval", executing=True)
        took = {"ms": found.translate_ms + found.execute_ms, "translateMs": found.translate_ms}
        row: dict[str, Any] = {"stage": "run", "id": kernel.id, "group": kernel.group, **took}
        if found.failure is not None:
            return row | {"outcome": f"error:{found.failure.code}", "text": _ours(found.failure.message)}
        outcome, execution = found.result["outcome"], found.result["execution"]
        row |= {"outcome": outcome["status"], "text": _told(outcome)}
        if execution is not None:
            row |= {"trials": execution["trials"], "launches": execution["launches"]}
            row |= {"notes": [_ours(note) for note in execution["notes"]]}
        if outcome["status"] == "mismatch" and outcome["how"] in ("values", "non-finite", "nondeterministic"):
            with _tolerance(OLD_TOLERANCE):
                lenient = judged(kernel, folder / "lenient", executing=True, compat="kernelbench")
            failed = lenient.failure
            row["lenient"] = f"error:{failed.code}" if failed is not None else lenient.result["outcome"]["status"]
    return row


def _told(outcome: dict[str, Any]) -> str:
    """What happened in the harness's words alone; other people's exceptions are told by their type."""
    if outcome["status"] == "mismatch":
        return _ours(f"{outcome['how']}: {outcome['message']}")
    if outcome["status"] == "rejected":
        return str(outcome["cheat"])
    if outcome["status"] == "runtime-error":
        return _ours(f"{outcome['phase']}: {outcome['error']}: {_fault(outcome['message'])}")
    return str(outcome.get("phase") or outcome.get("stage") or outcome.get("reason") or "")


def _fault(message: str) -> str:
    """The device's own sentence in a longer message, where there is one."""
    found = re.search(r"[^\n]*\bkernel\b[^\n]*\b(?:line|thread|block|byte)\b[^\n]*", message)
    return found.group() if found else ""


def _ours(text: str) -> str:
    return " ".join(text.split())[:300]


# --- the repairs -----------------------------------------------------------------------------------------------------


class RepairingBuilder(Builder):
    repairs: set[str]

    def build(self, request: ExtensionSpec | Refusal) -> Answer:
        if isinstance(request, Refusal):
            return super().build(request)
        repair = repaired(request)
        self.repairs.update(repair.made)
        answer = super().build(repair.spec)
        if answer.exports is not None:
            answer = replace(answer, exports=(*answer.exports, *repair.launchers))
        return answer


@dataclass(frozen=True)
class RepairingStages(Stages):
    repairs: set[str] = field(default_factory=set)

    def _builder(self, asked: BuildParams) -> Builder:
        builder = RepairingBuilder(asked.settings, asked.folder, stop=self.stop)
        builder.repairs = self.repairs
        return builder


@dataclass(frozen=True)
class Repair:
    """The call as its author meant it. `made`: what had to be done; `launchers`: kernels that are now callable."""

    spec: ExtensionSpec
    made: tuple[str, ...] = ()
    launchers: tuple[str, ...] = ()


def repaired(spec: ExtensionSpec) -> Repair:
    """Nothing but the binding changes, and two words of torch's that it took when these kernels were written.

    - `module`: of two PYBIND11_MODULEs (`functions` makes one) one stays, which then binds all names.
    - `declared`: functions of `cuda_sources` that are bound elsewhere get a prototype there, with their own linkage.
    - `moved`: `cpp_sources` with CUDA code go to the end of `cuda_sources`.
    - `launcher`: a `__global__` function in `functions` is bound as a function that launches it; see `launched`.
    - `dialect`: AT_DISPATCH on `x.type()`; `getCurrentCUDAStream` without its header.
    """
    if spec.kind != "load_inline":
        return Repair(spec)
    cpp, cuda = "\n".join(spec.cpp_sources), "\n".join(spec.cuda_sources)
    modern_cpp, modern_cuda = _modern(cpp), _modern(cuda)
    made = ["dialect"] if (modern_cpp, modern_cuda) != (cpp, cuda) else []
    cpp, cuda = modern_cpp, modern_cuda
    functions = spec.functions
    if re.search(r"__global__|<<<", _blanked(cpp)):
        cpp, cuda = "", f"#include <torch/extension.h>\n{cuda}\n{cpp}"
        made.append("moved")
    if _module(cpp) and _module(cuda):
        first, last = _module(cuda) or (0, 0)
        cuda = cuda[:first] + cuda[last:]
        made.append("module")
    if _module(cpp) or _module(cuda):
        if functions is not None:
            made.append("module")
        cpp, cuda = _one_module([name for name, _ in functions or ()], cpp, cuda)
        return Repair(_with_sources(spec, cpp, cuda, None), tuple(made))
    kernels = {name: launcher for name, _ in functions or () if (launcher := _launcher(name, cuda)) is not None}
    if functions is not None and kernels:
        cuda += "".join(text for _, text in kernels.values())
        names = dict.fromkeys(kernels[name][0] if name in kernels else name for name, _ in functions)
        functions = tuple((name, name) for name in names)
        made.append("launcher")
    declared, cuda = _declared([name for name, _ in functions or ()], cpp, cuda)
    if declared != cpp and "launcher" not in made:
        made.append("declared")
    return Repair(_with_sources(spec, declared, cuda, functions), tuple(made), tuple(kernels))


def _with_sources(
    spec: ExtensionSpec, cpp: str, cuda: str, functions: tuple[tuple[str, str], ...] | None
) -> ExtensionSpec:
    return replace(spec, cpp_sources=(cpp,), cuda_sources=(cuda,) if cuda.strip() else (), functions=functions)


def _modern(text: str) -> str:
    text = re.sub(r"(\bAT_DISPATCH\w*\(\s*[\w.\->\[\]]+?)\.type\(\)", r"\1.scalar_type()", text)
    if "getCurrentCUDAStream" in text and "CUDAContext.h" not in text and "CUDAStream.h" not in text:
        text = "#include <ATen/cuda/CUDAContext.h>\n" + text
    return text


def _one_module(names: Sequence[str], cpp: str, cuda: str) -> tuple[str, str]:
    """The candidate's own module, with those of `names` that it leaves out, and declarations of all that it binds."""
    place = cpp if _module(cpp) else cuda
    first, last = _module(place) or (0, 0)
    body = place[first:last]
    known = set(re.findall(r"\.\s*def\s*\(\s*\"(\w+)\"", body))
    more = [name for name in names if name not in known and re.search(rf"\b{name}\s*\(", _blanked(cpp + cuda))]
    argument = re.search(r",\s*(\w+)\s*\)", body)
    assert argument is not None
    lines = "".join(f'{argument.group(1)}.def("{name}", &{name});\n' for name in more)
    whole = place[: last - 1] + lines + place[last - 1 :]
    if place is cuda:
        return cpp, whole
    return _declared([*re.findall(r"&\s*(\w+)", body), *more], whole, cuda)


def _module(text: str) -> tuple[int, int] | None:
    """Where a PYBIND11_MODULE begins and ends."""
    plain = _blanked(text)
    found = re.search(r"\bPYBIND11_MODULE\s*\([^)]*\)\s*\{", plain)
    if found is None:
        return None
    return found.start(), _closed(plain, found.end() - 1, "{}")


def _declared(names: Sequence[str], cpp: str, cuda: str) -> tuple[str, str]:
    """`cpp` with prototypes of the functions that only `cuda` defines, and `cuda` with these visible to the linker."""
    words = set(re.findall(r"\w+", re.sub(r"\bdef\s*\([^;]*;", "", _blanked(cpp))))
    unlinked = [name for name in sorted(words) if f" {name}(" in cpp and not re.search(r'extern\s*"C"', cpp)]
    prototypes = []
    for name in [*names, *unlinked]:
        found = _definition(name, cuda)
        if found is not None and (name not in words or (name in unlinked and "extern" in found.result)):
            prototypes.append(f"{found.result} {name}({', '.join(found.parameters)});\n")
            cuda = re.sub(rf"\b(?:static|inline|static\s+inline)\s+(?=[\w:<>,&*\s]*\b{name}\s*\()", "", cuda)
    headers = "#include <cuda_runtime.h>\n" if "cudaStream_t" in "".join(prototypes) else ""
    return headers + "".join(dict.fromkeys(prototypes)) + cpp, cuda


def _launcher(name: str, cuda: str) -> tuple[str, str] | None:
    """A host function that launches the kernel `name`: its name, which tells its parameters' number, and its text."""
    found = _definition(name, cuda)
    if found is None or not found.is_kernel:
        return None
    types = [re.sub(r"\b__restrict__\b", "", re.sub(r"\w+\s*$", "", one)) for one in found.parameters]
    wide = ["int64_t" if "*" in one else "double" if FRACTIONAL.search(one) else "int64_t" for one in types]
    taken = ", ".join(f"{kind} a{place}" for place, kind in enumerate(wide))
    # Torch's flags take the conversions of `half` away.
    casts = [
        f"__double2half(a{place})" if HALF.fullmatch(kind) else f"({kind.strip()})a{place}"
        for place, kind in enumerate(types)
    ]
    given = ", ".join(casts)
    shape = "dim3(s[0], s[1], s[2]), dim3(s[3], s[4], s[5]), s[6]"
    launcher = f"{LAUNCHER}{len(types)}_{name}"
    return launcher, f"\nvoid {launcher}(std::vector<int64_t> s, {taken}) {{\n  {name}<<<{shape}>>>({given});\n}}\n"


def load_with_launchers(spec: ExtensionSpec, answer: Answer) -> Any:  # noqa: ANN401
    """What the candidate's process loads: the module, whose launchers can be called in their kernels' names."""
    module = load_library(spec, answer)
    for launcher in [one for one in dir(module) if one.startswith(LAUNCHER)]:
        count, _, name = launcher.removeprefix(LAUNCHER).partition("_")
        setattr(module, name, functools.partial(launch, getattr(module, launcher), int(count)))
    return module


def launch(launcher: Callable[..., None], count: int, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
    """Launches a kernel of `count` parameters as candidates call it: geometry by name or first, tensors or addresses.

    Raises TypeError where the call names no grid and block.
    """
    import torch

    lead = list(args)
    values = kwargs.get("args")
    if values is None and lead and isinstance(lead[-1], (list, tuple)) and len(lead[-1]) == count:
        values = lead.pop()
    if values is None:
        lead, values = lead[: len(lead) - count], lead[len(lead) - count :]
    grid = next((kwargs[name] for name in ("grid", "blocks") if name in kwargs), lead[0] if lead else None)
    block = next((kwargs[name] for name in ("block", "threads") if name in kwargs), lead[1] if lead[1:] else None)
    shared = [kwargs[name] for name in ("shared", "shared_mem", "shared_mem_size") if name in kwargs] or lead[2:] or [0]
    if grid is None or block is None or len(values) != count:
        raise TypeError("a kernel is called without a grid and a block")
    plain = [one.data_ptr() if torch.is_tensor(one) else 0 if one is None else one for one in values]
    launcher([*_three(grid), *_three(block), int(max(shared))], *plain)


def _three(size: Any) -> list[int]:  # noqa: ANN401
    sizes = [int(one) for one in size] if isinstance(size, (list, tuple)) else [int(size)]
    return [*sizes, 1, 1][:3]


@dataclass(frozen=True)
class _Definition:
    result: str
    parameters: tuple[str, ...]
    is_kernel: bool


def _definition(name: str, text: str) -> _Definition | None:
    """How `text` defines the function `name`: its result with any linkage, and its parameters without defaults."""
    plain = _blanked(text)
    for found in re.finditer(rf"\b{name}\s*\(", plain):
        end = _closed(plain, found.end() - 1, "()")
        if not re.match(r"\s*\{", plain[end:]):
            continue
        head = re.split(r"[;{}]|^[ \t]*#[^\n]*$", plain[: found.start()], flags=re.MULTILINE)[-1]
        if "template" in head or not head.strip():
            continue
        result = " ".join(QUALIFIERS.sub(" ", head).split()).replace('""', '"C"')
        opened = [one.end() - 1 for one in re.finditer(r'extern\s*""\s*\{', plain[: found.start()])]
        if any(_closed(plain, place, "{}") > found.start() for place in opened):
            result = f'extern "C" {result}'
        parameters = tuple(_without_default(one) for one in _split(plain[found.end() : end - 1]))
        return _Definition(result, parameters, "__global__" in head)
    return None


def _without_default(parameter: str) -> str:
    return " ".join(parameter.split("=")[0].split())


def _split(parameters: str) -> list[str]:
    """Parameters at their commas, but not at those inside brackets."""
    pieces, depth = [""], 0
    for character in parameters:
        depth += (character in "(<[{") - (character in ")>]}")
        if character == "," and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += character
    return [piece for piece in pieces if piece.strip()]


def _closed(text: str, start: int, pair: str) -> int:
    """The place after the bracket that closes the one at `start`."""
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == pair[0]) - (text[place] == pair[1])
        if depth == 0:
            return place + 1
    return len(text)


def _blanked(text: str) -> str:
    """Comments and strings blanked out, every character at its own place."""
    plain = []
    place = 0
    for found in re.finditer(r'//[^\n]*|/\*.*?(?:\*/|\Z)|"(?:[^"\\\n]|\\.)*"', text, re.DOTALL):
        inside = re.sub(r"[^\n]", " ", found.group())
        if found.group().startswith('"'):
            inside = '""' + " " * (len(found.group()) - 2) if len(found.group()) >= 2 else '"'
        plain += [text[place : found.start()], inside]
        place = found.end()
    return "".join([*plain, text[place:]])


# --- kernels and their problems --------------------------------------------------------------------------------------


def own_kernels(corpora: Path) -> Iterator[Kernel]:
    for number, row in enumerate(_rows(corpora / "candidates-cuda-l1.jsonl")):
        if row["has_cuda_kernel"]:
            yield Kernel(f"cuda-l1:{number}", "own", row["code"], row["reference_code"], small=False)


def scaled_kernels(corpora: Path, seed: int) -> Iterator[Kernel]:
    """Kernels of the other corpora in the seed's order, on problems that can be made small."""
    problems = {(row["level"], row["problem_id"]): row["code"] for row in _rows(corpora / "kernelbench-problems.jsonl")}
    rows = [
        (f"{file.stem.removeprefix('candidates-')}:{number}", row)
        for file in sorted(corpora.glob("candidates-*.jsonl"))
        if file.stem != "candidates-cuda-l1"
        for number, row in enumerate(_rows(file))
        if row.get("backend") in (None, "cuda") and "__global__" in row["code"]
    ]
    random.Random(seed).shuffle(rows)
    known = {one["problem"]: one["source"] for one in _rows(SCALED)}
    found = 0
    for name, row in rows:
        key = f"{row['level']}/{row['problem_id']}"
        if (row["level"], row["problem_id"]) not in problems:
            continue
        if key not in known:
            known[key] = scaled_problem(problems[row["level"], row["problem_id"]])
            _append(SCALED, {"problem": key, "source": known[key]})
        if known[key] is not None:
            found += 1
            yield Kernel(name, "scaled", row["code"], known[key], small=True)
        if found == SCALED_KERNELS:
            return


def scaled_problem(source: str) -> str | None:
    """The problem with a `SMALL` that makes it small work, the least shrunk of many; None where no size does."""
    constants = _sizes(source)
    seen: set[str] = set()
    for others in (1 << 30, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16):
        for batch in (1 << 30, 16, 4, 2):
            small = {
                name: _shrunk(value, batch if BATCH_NAME.search(name) else others) for name, value in constants.items()
            }
            text = f"{source}\n\nSMALL = {small!r}\n" if small else source
            if not small or text in seen:
                continue
            seen.add(text)
            if _is_small(text):
                return text
    return None


def _sizes(source: str) -> dict[str, Any]:
    """The module's own constants that are whole numbers, or tuples or lists of them."""
    names = {
        target.id
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for whole in node.targets
        for target in (whole.elts if isinstance(whole, ast.Tuple) else [whole])
        if isinstance(target, ast.Name)
    }
    values = vars(load_problem(source).module)
    return {name: values[name] for name in sorted(names) if _is_size(values.get(name))}


def _is_size(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return bool(value) and all(_is_size(one) for one in value)
    return isinstance(value, int) and not isinstance(value, bool)


def _shrunk(value: Any, most: int) -> Any:  # noqa: ANN401
    """Halved until it is at most `most`, so that powers of two and common factors stay; small numbers stay."""
    if isinstance(value, (tuple, list)):
        return type(value)(_shrunk(one, most) for one in value)
    while value > max(most, 1):
        value //= 2
    return value


def _is_small(source: str) -> bool:
    """Whether the problem, shrunk, is small work and its reference still runs."""

    def task(_: Channel) -> Json:
        return _reference_runs(source)

    with _folder(False) as folder:
        end = run_child(task, folder=folder, limits=Limits(wall_s=60.0, memory_bytes=4 << 30))
    return end.kind == "returned" and end.value is True


def _reference_runs(source: str) -> bool:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    problem = load_problem(source, small=True)
    with torch.no_grad():
        with torch.device("meta"):
            model = problem.model(*problem.init_inputs())
            inputs = problem.inputs()
            values = sum(one.numel() for one in [*model.parameters(), *(x for x in inputs if torch.is_tensor(x))])
            if values > SMALL_VALUES:
                return False
            with FlopCounterMode(display=False) as counter:
                output = model(*inputs)
        outputs = sum(one.numel() for one in ([output] if torch.is_tensor(output) else output))
        if values + outputs > SMALL_VALUES or counter.get_total_flops() > 2 * SMALL_WORK:
            return False
        torch.manual_seed(0)
        model = problem.model(*problem.init_inputs())
        inputs = problem.inputs()
        began = time.monotonic()
        output = model(*inputs)
        outputs_made = [output] if torch.is_tensor(output) else list(output)
        return time.monotonic() - began < 1.0 and all(bool(one.isfinite().all()) for one in outputs_made)


# --- one kernel, judged ----------------------------------------------------------------------------------------------


def start_device() -> None:
    """Makes this process what a worker with `--cpu-device` is. Before anything imports torch."""
    from kval_harness.cpu_device.operators import install
    from kval_harness.cpu_device.runtime import preload, prepare_runtime

    preload(prepare_runtime(find_toolchain(CACHE), CACHE))
    install()


def environment() -> dict[str, str]:
    from kval_harness.devices import CPU_ENVIRONMENT

    return dict(CPU_ENVIRONMENT)


@dataclass(frozen=True)
class Judged:
    """The worker's answer, or why it has none. `build_ms` is all before the translation; it may come from the cache."""

    result: dict[str, Any]
    failure: InstrumentError | None
    repairs: list[str]
    build_ms: float
    translate_ms: float
    execute_ms: float


def judged(kernel: Kernel, folder: Path, *, executing: bool, compat: str = "kval") -> Judged:
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Json] = {
        "arch": "sm_90",
        "path": "auto",
        "buildTimeoutMs": BUILD_LIMIT_S * 1000,
        "cacheFolder": str(CACHE),
        "cacheMaxBytes": 20 << 30,
        "precision": "fp32",
        "trials": 1,
        "timingTrials": 0,
        "executeTimeoutMs": LIMIT_S * 1000,
        "compat": compat,
    }
    request: dict[str, Json] = {
        "candidate": {"source": kernel.source, "language": "python"},
        "problem": {"source": kernel.problem, "small": kernel.small},
        "settings": settings,
        "folder": str(folder),
        "device": {"kind": "cpu", "index": 0},
    }
    # When the translation, and then the execution, began.
    turns: list[float] = []

    def follow(stage: str, message: str) -> None:
        if (not turns and "translating" in message) or stage == "execute":
            turns.append(time.monotonic())

    stages = RepairingStages(environment(), lambda: False, follow, len(os.sched_getaffinity(0)))
    began = time.monotonic()
    result: dict[str, Any] = {}
    failure = None
    try:
        fields = Fields(request, "params")
        result = stages.execute(fields, ("cpu",)) if executing else stages.build(fields)
    except InstrumentError as error:
        failure = error
    ended = time.monotonic()
    first, second = (*turns, ended, ended)[:2]
    times = [1000 * one for one in (first - began, second - first, ended - second)]
    return Judged(result, failure, sorted(stages.repairs), *times)


@contextmanager
def _tolerance(tolerance: float) -> Iterator[None]:
    """KernelBench's rule with another number; children are forked and see it."""
    usual = dict(compare.KERNELBENCH_TOLERANCE)
    compare.KERNELBENCH_TOLERANCE.update(dict.fromkeys(usual, tolerance))
    try:
        yield
    finally:
        compare.KERNELBENCH_TOLERANCE.update(usual)


def _one(name: str, options: argparse.Namespace) -> None:
    """Everything about one kernel, for whoever looks for the reason; nothing of it is kept in the results."""
    if options.stage != "build":
        start_device()
    probe.load_library = load_with_launchers
    kernels = [*own_kernels(_corpora())] if name.startswith("cuda-l1") else [*scaled_kernels(_corpora(), options.seed)]
    kernel = next((one for one in kernels if one.id == name), None)
    if kernel is None:
        sys.exit(f"no kernel {name} in the corpora")
    with _folder(options.keep) as folder:
        if options.keep:
            (folder / "candidate.py").write_text(kernel.source, encoding="utf-8")
            (folder / "problem.py").write_text(kernel.problem, encoding="utf-8")
        found = judged(kernel, folder / "job", executing=options.stage != "build")
        for extension in (found.result.get("build") or {}).get("extensions", ()):
            for step in extension.pop("steps"):
                if step["exitCode"] != 0:
                    print(f"{step['tool']} left with {step['exitCode']}:\n{step['stdout']}{step['stderr']}")
        print(json.dumps(found.failure.to_json() if found.failure is not None else found.result, indent=2))
        print(f"repairs: {', '.join(found.repairs) or 'none'}")
        times = (found.build_ms, found.translate_ms, found.execute_ms)
        print("build {:.1f} s, translation {:.1f} s, execution {:.1f} s".format(*(one / 1000 for one in times)))


# --- the report ------------------------------------------------------------------------------------------------------


def _report(options: argparse.Namespace) -> None:
    toolchain = find_toolchain(CACHE)
    figures: dict[str, Any] = {
        "command": " ".join(["python", *sys.argv]),
        "versions": toolchain.identity(),
        "machine": {"cpus": os.cpu_count(), "processor": platform.machine(), "seed": options.seed},
        "limitS": LIMIT_S,
    }
    print(f"{'':44}{'own':>8}{'scaled':>8}")
    groups = {group: _figures(group) for group in ("own", "scaled")}
    for label, pick in _LINES:
        print(f"{label:44}" + "".join(f"{pick(one):>8}" for one in groups.values()))
    names = sorted({name for one in groups.values() for name in one["outcomes"]})
    for name in names:
        print(f"  {name:42}" + "".join(f"{one['outcomes'].get(name, 0):>8}" for one in groups.values()))
    for row in _measured("run"):
        if row["outcome"] not in ("correct", "rejected"):
            print(f"  {row['id']:16} {row['outcome']}: {row.get('text', '')}")
    figures |= groups
    (RESULTS / "cpu-device.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _figures(group: str) -> dict[str, Any]:
    builds = [one for one in _measured("build") if one["group"] == group]
    built = [one for one in builds if one["outcome"] == "built"]
    runs = [one for one in _measured("run") if one["group"] == group]
    # A mismatch is found before launches are counted, so whether it launched its own kernel is not known.
    launched = [one for one in runs if one.get("launches")]
    ended = [one for one in runs if one["outcome"] != "timeout" and not one["outcome"].startswith("error")]
    judged = [one for one in ended if one["ms"] <= LIMIT_S * 1000]
    return {
        "kernels": len(builds),
        "built": len(built),
        "buildSeconds": _median([one["ms"] / 1000 for one in builds if not one.get("cached")]),
        "run": len(runs),
        "launched": len(launched),
        "judged": len(judged),
        "seconds": _median([one["ms"] / 1000 for one in ended]),
        "outcomes": dict(Counter(one["outcome"] for one in runs)),
        "mismatches": [
            {"id": one["id"], "text": one["text"], "lenient": one.get("lenient")}
            for one in runs
            if one["outcome"] == "mismatch"
        ],
    }


_LINES: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("kernels", lambda one: str(one["kernels"])),
    ("built", lambda one: str(one["built"])),
    ("built (%)", lambda one: _percent(one["built"], one["kernels"])),
    ("median build (s)", lambda one: _seconds(one["buildSeconds"])),
    ("executed", lambda one: str(one["run"])),
    (f"an outcome within {LIMIT_S:.0f} s (%)", lambda one: _percent(one["judged"], one["run"])),
    ("seen to launch a kernel of their own", lambda one: str(one["launched"])),
    ("median outcome once built (s)", lambda one: _seconds(one["seconds"])),
    ("mismatch by our rule", lambda one: str(len(one["mismatches"]))),
    (
        f"mismatch also at KernelBench's {OLD_TOLERANCE:g}",
        lambda one: str(sum(row["lenient"] not in (None, "correct") for row in one["mismatches"])),
    ),
)


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "-"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _measured(stage: str) -> list[dict[str, Any]]:
    """The rows of a stage, the newest of each kernel: one is measured again by deleting its row."""
    return list({one["id"]: one for one in _rows(MEASURED) if one["stage"] == stage}.values())


def _append(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    if not path.exists():
        return rows
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:  # the half line of a run that was killed
            continue
    return rows


@contextmanager
def _folder(keep: bool) -> Iterator[Path]:
    """A scratch folder that goes away, unless somebody wants to look into it."""
    path = Path(tempfile.mkdtemp(prefix="kval-bench-"))
    try:
        yield path
    finally:
        if keep:
            print(f"kept: {path}")
        else:
            shutil.rmtree(path, ignore_errors=True)


def _corpora() -> Path:
    place = Path(os.environ.get("KVAL_CORPORA") or ROOT.parent / "shared" / "corpora")
    if not place.is_dir():
        sys.exit(f"no corpora at {place}; set KVAL_CORPORA to the folder that holds candidates-*.jsonl")
    return place


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="real kernels on the cpu device")
    parser.add_argument("--stage", choices=STAGES, default=None, help="one stage alone (default: all)")
    parser.add_argument("--limit", type=int, default=None, help="how many kernels")
    parser.add_argument("--only", default=None, help="one kernel by its id, with everything printed")
    parser.add_argument("--keep", action="store_true", help="keep the scratch folders and say where they are")
    parser.add_argument("--seed", type=int, default=1, help="the order of the scaled kernels")
    return parser.parse_args()


if __name__ == "__main__":
    main()

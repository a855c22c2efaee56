"""The binding faults that hide CUDA-L1's kernels, repaired in recorded build calls: for a benchmark, not for labels.

Most of these kernels break a rule of torch's `load_inline` and hide that behind `except`, so as candidates they are
compile errors. Here the binding alone is put right, and what was done is said.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kval_harness.build.candidate import Builder
from kval_harness.build.spec import ExtensionSpec
from kval_harness.probe import Answer, Refusal, load_library
from kval_harness.protocol import BuildParams
from kval_harness.stages import Stages

FRACTIONAL = re.compile(r"\b(?:float|double|half|__half|scalar_t)\b")
HALF = re.compile(r"\s*(?:const\s+)?(?:__)?half\s*")
LAUNCHER = "bench_launch_"
QUALIFIERS = re.compile(
    r"\b(?:__global__|__host__|__forceinline__|static|inline)\b|__launch_bounds__\s*\([^)]*\)|\[\[\w+\]\]"
)


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

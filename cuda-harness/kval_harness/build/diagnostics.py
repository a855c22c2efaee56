"""What compilers print, as data: complaints at the candidate's own file and line, and what each kernel takes.

Pure text in, records out. The shapes are those of nvcc's front end (EDG), nvcc itself, ptxas, nvlink, g++ and ld.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Literal

from kval_harness.build.record import KernelUse
from kval_harness.build.spec import SourceFile, is_cuda_file
from kval_harness.outcome import Diagnostic

Tool = Literal["nvcc", "g++", "ld", "ptxas", "rules"]

EDG_KIND = r"(?P<kind>catastrophic error|error|warning)(?: #(?P<code>[\w-]+))?: (?P<text>.*)$"
EDG = re.compile(r"^(?P<file>[^\s(][^(]*)\((?P<line>\d+)\): " + EDG_KIND)
EDG_END = re.compile(r"^At end of source: " + EDG_KIND)
GCC_KIND = r"(?P<kind>fatal error|error|warning): (?P<text>.*)$"
GCC = re.compile(r"^(?P<file>[^\s:][^:]*):(?P<line>\d+):(?:(?P<column>\d+):)? " + GCC_KIND)
GCC_PROGRAM = re.compile(
    r"^(?P<program><command-line>|(?:\S*/)?(?:cc1plus|cc1|c\+\+|g\+\+|gcc|as|[\w-]+-g\+\+)[\w.-]*): " + GCC_KIND
)
NVCC = re.compile(r"^nvcc (?P<kind>fatal|error|warning) *: (?P<text>.*)$")
PTXAS = re.compile(r"^(?P<tool>ptxas|nvlink|fatbinary) (?P<kind>fatal|error|warning) *: (?P<text>.*)$")
PTXAS_LINE = re.compile(r"^ptxas \S+, line (?P<line>\d+); (?P<kind>fatal|error|warning) *: (?P<text>.*)$")
ASSEMBLER = re.compile(r"^(?P<file>[^\s:][^:]*):(?P<line>\d+): (?P<kind>Error|Warning): (?P<text>.*)$")
LINKER = re.compile(r"^(?:\S*/)?ld(?:\.\w+)?: (?P<text>.*)$")
LINKER_PLACE = re.compile(
    r"^(?P<file>[^\s:]+?):(?:\(\S+\)|(?P<line>\d+)): (?P<text>(?:undefined reference|multiple definition).*)$"
)
LINKER_NOISE = re.compile(r"in function |warning: |final link failed|NOTE: |note: ")
COLLECT = re.compile(r"^collect2: (?P<kind>fatal error|error): (?P<text>.*)$")
FLAG_CODE = re.compile(r" \[(-W[\w=+-]+|-f\w+)\]$")
CONTINUED = re.compile(r"^ {8,}\S")


def parse_diagnostics(
    output: str, *, tool: Literal["nvcc", "g++", "ld"], sources: Sequence[SourceFile] = ()
) -> tuple[Diagnostic, ...]:
    """The errors and warnings in what one step printed, in its order, without repeats.

    `tool` is the step's; complaints of the tools that it starts (ptxas, the host's g++) carry their own names. Lines
    of `sources` come back under their labels with the candidate's own numbers: line 1 of `cuda_sources` is the
    first line that the candidate wrote there. Other files keep their name, lines that torch generated are None.
    """
    found = list(dict.fromkeys(_parse(output.splitlines(), tool, sources)))
    if tool == "ld" and any(one.severity == "error" and one.code != "collect2" for one in found):
        return tuple(one for one in found if one.code != "collect2")
    return tuple(found)


def parse_kernels(output: str) -> tuple[KernelUse, ...]:
    """What `ptxas -v` says of each kernel and architecture: registers, memories in bytes, stack, spills."""
    kernels: list[KernelUse] = []
    name = arch = None
    frame: tuple[int | None, int | None, int | None] = (None, None, None)
    frame_of = ""
    for line in output.splitlines():
        if entry := re.match(r"ptxas info +: Compiling entry function '(.+)' for '(\w+)'", line):
            name, arch, frame = entry.group(1), entry.group(2), (None, None, None)
        elif properties := re.match(r"ptxas info +: Function properties for (\S+)", line):
            frame_of = properties.group(1)
        elif sizes := re.match(r" +(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line):
            if frame_of == name:
                frame = (int(sizes.group(1)), int(sizes.group(2)), int(sizes.group(3)))
        elif (used := re.match(r"ptxas info +: Used (\d+) registers(.*)$", line)) and name and arch:
            rest = used.group(2)
            kernels.append(
                KernelUse(
                    name=demangle(name),
                    arch=arch,
                    registers=int(used.group(1)),
                    shared_bytes=sum(int(size) for size in re.findall(r"(\d+) bytes smem", rest)),
                    constant_bytes=sum(map(int, re.findall(r"(\d+) bytes cmem", rest))) if "cmem" in rest else None,
                    stack_bytes=frame[0],
                    spill_store_bytes=frame[1],
                    spill_load_bytes=frame[2],
                )
            )
            name = None
    return tuple(kernels)


def demangle(symbol: str) -> str:
    """`_Z3addPf` as `add(float*)`; anything that is no mangled C++ name comes back as it is."""
    library = _demangler()
    if library is None or not symbol.startswith("_Z"):
        return symbol
    status = ctypes.c_int()
    pointer = library.__cxa_demangle(symbol.encode(), None, None, ctypes.byref(status))
    if status.value != 0 or not pointer:
        return symbol
    try:
        return ctypes.string_at(pointer).decode("utf-8", "replace")
    finally:
        ctypes.CDLL(None).free(ctypes.c_void_p(pointer))


def summary(diagnostics: Sequence[Diagnostic], output: str, limit: int = 10) -> str:
    """The first errors in a few lines; the end of the output where no error was recognised."""
    errors = [one for one in diagnostics if one.severity == "error"]
    if not errors:
        return output.strip()[-2000:] or "the compiler failed without a word"
    lines = [_line(one) for one in errors[:limit]]
    if len(errors) > limit:
        lines.append(f"... and {len(errors) - limit} more errors")
    return "\n".join(lines)


def _line(one: Diagnostic) -> str:
    place = one.file + (f":{one.line}" if one.line is not None else "")
    return f"{place}: error{f' {one.code}' if one.code else ''}: {one.message}"


def _parse(lines: list[str], tool: Tool, sources: Sequence[SourceFile]) -> Iterator[Diagnostic]:
    for place, text in enumerate(lines):
        if tool == "ld":
            one = _linker(text, sources)
        else:
            one = _edg(text, lines, place, sources) or _program(text, tool) or _ptxas(text) or _gcc(text, sources)
        if one is not None:
            yield one


def _edg(text: str, lines: list[str], place: int, sources: Sequence[SourceFile]) -> Diagnostic | None:
    match = EDG.match(text)
    if match:
        file, line = _own_place(match["file"], int(match["line"]), sources)
    else:
        match = EDG_END.match(text)
        file, line = "end of source", None
    if not match:
        return None
    message = [match["text"]]
    for following in lines[place + 1 :]:
        if not CONTINUED.match(following) or following.strip().startswith("^"):
            break
        message.append(following.strip())
    return Diagnostic("nvcc", _severity(match["kind"]), file, line, None, match["code"], " ".join(message))


def _program(text: str, tool: Tool) -> Diagnostic | None:
    if match := NVCC.match(text):
        return Diagnostic("nvcc", _severity(match["kind"]), "nvcc", None, None, None, match["text"])
    if match := GCC_PROGRAM.match(text):
        return Diagnostic(
            "g++", _severity(match["kind"]), PurePath(match["program"]).name, None, None, None, match["text"]
        )
    return None


def _ptxas(text: str) -> Diagnostic | None:
    if match := PTXAS_LINE.match(text):
        return Diagnostic("ptxas", _severity(match["kind"]), "ptx", int(match["line"]), None, None, match["text"])
    if match := PTXAS.match(text):
        message = re.sub(r"'(_Z\w+)'", lambda name: f"'{demangle(name.group(1))}'", match["text"])
        return Diagnostic("ptxas", _severity(match["kind"]), match["tool"], None, None, None, message)
    return None


def _gcc(text: str, sources: Sequence[SourceFile]) -> Diagnostic | None:
    if match := GCC.match(text):
        file, line = _own_place(match["file"], int(match["line"]), sources)
        code = FLAG_CODE.search(match["text"])
        message = match["text"][: code.start()] if code else match["text"]
        column = int(match["column"]) if match["column"] else None
        return Diagnostic("g++", _severity(match["kind"]), file, line, column, code.group(1) if code else None, message)
    if match := ASSEMBLER.match(text):
        file, line = _own_place(match["file"], int(match["line"]), sources)
        return Diagnostic("g++", _severity(match["kind"]), file, line, None, None, match["text"])
    return None


def _linker(text: str, sources: Sequence[SourceFile]) -> Diagnostic | None:
    if match := COLLECT.match(text):
        return Diagnostic("ld", "error", "ld", None, None, "collect2", match["text"])
    found = LINKER.match(text)
    text = found["text"] if found else text
    if match := LINKER_PLACE.match(text):
        file, line = _own_object(match["file"], sources), int(match["line"]) if match["line"] else None
        return Diagnostic("ld", "error", file, line, None, None, match["text"])
    if match := re.match(r"^(?P<object>[^\s:]+): in function .*?: (?P<text>.*)$", text):
        return _linker(match["text"], sources)
    if match := re.match(r"^(?P<object>[^\s:]+):(?P<where>\S*): (?P<text>(?:undefined|multiple|relocation).*)$", text):
        return Diagnostic("ld", "error", _own_object(match["object"], sources), None, None, None, match["text"])
    if match := re.match(r"^(?P<object>[^\s:]+): (?P<text>undefined reference.*)$", text):
        return Diagnostic("ld", "error", _own_object(match["object"], sources), None, None, None, match["text"])
    if found and not LINKER_NOISE.search(text):
        return Diagnostic("ld", "error", "ld", None, None, None, text)
    return None


def _own_place(file: str, line: int, sources: Sequence[SourceFile]) -> tuple[str, int | None]:
    """The candidate's name and number for a place in a file that torch would have written."""
    for source in sources:
        if PurePath(file).name == PurePath(source.path).name and not _is_system(file):
            return source.label, source.own_line(line)
    return file, line


def _own_object(file: str, sources: Sequence[SourceFile]) -> str:
    """The label behind `main.o`, `cuda.cuda.o`, `main.cpp` or a temporary object of either."""
    generated = re.match(r"tmpxft_\w+-\d+_(.+)\.cudafe\d\.cpp$", PurePath(file).name)
    name = f"{generated.group(1)}.cuda.o" if generated else PurePath(file).name
    for source in sources:
        path = PurePath(source.path)
        if name in (path.name, f"{path.stem}.cuda.o" if is_cuda_file(source.path) else f"{path.stem}.o"):
            return source.label
    return name


def _is_system(file: str) -> bool:
    return "/site-packages/" in file or file.startswith("/usr/include")


def _severity(kind: str) -> Literal["error", "warning"]:
    return "warning" if kind.lower() == "warning" else "error"


@functools.cache
def _demangler() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libstdc++.so.6")
    except OSError:
        return None
    library.__cxa_demangle.restype = ctypes.c_void_p
    return library

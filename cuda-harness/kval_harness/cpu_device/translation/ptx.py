"""PTX text as data: variables, functions, and their statements in order.

Reads what nvcc writes and what inline assembly adds (scopes of their own, several statements on a line, registers of
any name). The language: "Parallel Thread Execution ISA", NVIDIA.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

BYTES = {
    "pred": 1,
    "b8": 1,
    "b16": 2,
    "f16": 2,
    "bf16": 2,
    "b32": 4,
    "f16x2": 4,
    "bf16x2": 4,
    "tf32": 4,
    "b64": 8,
    "b128": 16,
}
for _kind in "usf":
    BYTES |= {f"{_kind}{width}": width // 8 for width in (8, 16, 32, 64)}


class Unsupported(Exception):
    """A construct that is not translated; its name is the message."""


@dataclass(frozen=True)
class Variable:
    """`count` is None for an array whose size the launch decides. `values`: numbers, or symbols by name."""

    space: str
    type: str
    name: str
    align: int
    count: int | None
    values: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        return BYTES[self.type] * (self.count if self.count is not None else 0)


@dataclass(frozen=True)
class Place:
    """Where a statement came from. Inlined code names the innermost place first."""

    file: int
    line: int
    inlined_at: tuple[int, int] | None = None


@dataclass(frozen=True)
class Instruction:
    guard: str | None
    negated: bool
    op: tuple[str, ...]
    operands: tuple[str, ...]
    place: Place | None

    @property
    def name(self) -> str:
        return ".".join(self.op)


@dataclass(frozen=True)
class Label:
    name: str


@dataclass(frozen=True)
class Open:
    pass


@dataclass(frozen=True)
class Close:
    pass


@dataclass(frozen=True)
class Registers:
    type: str
    names: tuple[tuple[str, int | None], ...]  # a name, or a stem and how many are numbered from it


@dataclass(frozen=True)
class Targets:
    name: str
    labels: tuple[str, ...]


Statement: TypeAlias = "Instruction | Label | Open | Close | Registers | Targets | Variable"


@dataclass
class Function:
    name: str
    entry: bool
    returns: list[Variable]
    parameters: list[Variable]
    body: list[Statement] | None = None
    directives: dict[str, int] = field(default_factory=dict)


@dataclass
class Program:
    variables: list[Variable] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    files: dict[int, str] = field(default_factory=dict)


def parse(text: str) -> Program:
    """Reads one PTX module. Raises Unsupported at what cannot be read."""
    program = Program()
    text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)
    place = 0
    while True:
        space = _SPACE.match(text, place)
        place = space.end() if space else place
        if place >= len(text):
            return program
        found = _TOP.match(text, place)
        if found is None:
            raise Unsupported(f"PTX at {text[place : place + 60]!r}")
        kind = found.group(1)
        if kind in _LINES:
            end = text.find("\n", place)
            end = len(text) if end < 0 else end
            _line(program, text[place:end])
            place = end
        elif kind == ".section":
            place = _block_end(text, text.index("{", place))
        elif kind == ".alias":
            raise Unsupported(".alias")
        else:
            place = _entity(program, text, place)


_SPACE = re.compile(r"\s+")
_TOP = re.compile(r"(\.[a-z_]+)")
_LINES = {".version", ".target", ".address_size", ".file", ".loc", ".pragma"}


def _line(program: Program, line: str) -> None:
    found = re.match(r'\.file\s+(\d+)\s+"([^"]*)"', line)
    if found:
        program.files[int(found.group(1))] = found.group(2)


def _block_end(text: str, place: int) -> int:
    depth = 0
    for found in re.compile(r"[{}]").finditer(text, place):
        depth += 1 if found.group() == "{" else -1
        if depth == 0:
            return found.end()
    raise Unsupported("a block without an end")


_FUNCTION = re.compile(r"((?:\.(?:visible|weak|extern|common|noreturn|entry|func)\b\s*)+)")


def _entity(program: Program, text: str, place: int) -> int:
    found = _FUNCTION.match(text, place)
    words = found.group(1).split() if found else []
    if found and (".entry" in words or ".func" in words):
        return _function(program, text, found.end(), entry=".entry" in words)
    end = text.index(";", place)
    program.variables.append(read_variable(text[place:end]))
    return end + 1


def _function(program: Program, text: str, place: int, *, entry: bool) -> int:
    returns: list[Variable] = []
    place = _SPACE.match(text, place).end() if _SPACE.match(text, place) else place  # type: ignore[union-attr]
    if text[place] == "(":
        end = text.index(")", place)
        returns = _parameters(text[place + 1 : end])
        place = end + 1
    name_at = re.compile(r"\s*([\w$.]+)\s*").match(text, place)
    assert name_at is not None
    place = name_at.end()
    parameters: list[Variable] = []
    if place < len(text) and text[place] == "(":
        end = text.index(")", place)
        parameters = _parameters(text[place + 1 : end])
        place = end + 1
    function = Function(name_at.group(1), entry, returns, parameters)
    head = re.compile(r"[^{;]*").match(text, place)
    assert head is not None
    for directive, value in re.findall(r"\.(maxntid|reqntid|minnctapersm|maxnreg)\s+([\d,\s]+)", head.group()):
        product = 1
        for number in value.replace(",", " ").split():
            product *= int(number)
        function.directives[directive] = product
    place = head.end()
    if text[place] == ";":
        if not any(one.name == function.name for one in program.functions):
            program.functions.append(function)
        return place + 1
    end = _block_end(text, place)
    function.body = list(_statements(text[place + 1 : end - 1]))
    program.functions = [one for one in program.functions if one.name != function.name]
    program.functions.append(function)
    return end


def _parameters(text: str) -> list[Variable]:
    return [read_variable(one) for one in text.split(",") if one.strip()]


_VARIABLE = re.compile(
    r"(?:\.(?:visible|weak|extern|common)\s+)*\.(?P<space>global|const|shared|local|param|reg)\s*"
    r"(?P<words>(?:\.(?:align\s+\d+|ptr|v[24]|attribute\s*\([^)]*\)|global|const|shared|local|managed|\w+)\s+)*)"
    r"(?P<name>[\w$%.]+)\s*(?P<array>(?:\[\s*\d*\s*\]\s*)*)(?:=\s*(?P<values>.*))?$",
    re.DOTALL,
)


def read_variable(text: str) -> Variable:
    """`.global .align 4 .b8 name[16] = {1, 2}` as data. Raises Unsupported."""
    found = _VARIABLE.match(text.strip())
    if found is None:
        raise Unsupported(f"PTX declaration {text.strip()[:80]!r}")
    words = found.group("words")
    kinds = [
        one
        for one in re.findall(r"\.(\w+)", re.sub(r"\.align\s+\d+|\.attribute\s*\([^)]*\)", "", words))
        if one in BYTES
    ]
    if not kinds:
        raise Unsupported(f"PTX type in {text.strip()[:80]!r}")
    align = re.search(r"\.align\s+(\d+)", words)
    lanes = re.search(r"\.v([24])\b", words)
    count: int | None = 1
    for size in re.findall(r"\[\s*(\d*)\s*\]", found.group("array")):
        count = None if size == "" or count is None else count * int(size)
    if lanes and count is not None:
        count *= int(lanes.group(1))
    values = tuple(one for one in re.split(r"[{},\s]+", found.group("values") or "") if one)
    kind = kinds[-1]
    natural = BYTES[kind] * (int(lanes.group(1)) if lanes else 1)
    return Variable(
        found.group("space"), kind, found.group("name"), int(align.group(1)) if align else natural, count, values
    )


# --- a function's body -----------------------------------------------------------------------------------------------

_LABEL = re.compile(r"([\w$%.]+)\s*:(?!:)\s*")
_LOC = re.compile(
    r"\.loc\s+(\d+)\s+(\d+)\s+\d+(?:\s*,\s*function_name\s+[^,\n]+,\s*inlined_at\s+(\d+)\s+(\d+)\s+\d+)?[^\n;]*"
)
_PRAGMA = re.compile(r"\.pragma\s+\"[^\"]*\"\s*;")
_TARGETS = re.compile(r"\s*\.(branchtargets|calltargets|callprototype)\b([^;]*);")


def _statements(text: str) -> Iterator[Statement]:
    at, where = 0, None
    while True:
        space = _SPACE.match(text, at)
        at = space.end() if space else at
        if at >= len(text):
            return
        first = text[at]
        if first in "{};":
            at += 1
            if first != ";":
                yield Open() if first == "{" else Close()
            continue
        loc = _LOC.match(text, at)
        if loc:
            inlined = (int(loc.group(3)), int(loc.group(4))) if loc.group(3) else None
            where = Place(int(loc.group(1)), int(loc.group(2)), inlined)
            at = loc.end()
            continue
        pragma = _PRAGMA.match(text, at)
        if pragma:
            at = pragma.end()
            continue
        label = _LABEL.match(text, at)
        if label:
            targets = _TARGETS.match(text, label.end())
            if targets:
                at = targets.end()
                yield Targets(label.group(1), tuple(re.findall(r"[\w$%.]+", targets.group(2))))
            else:
                at = label.end()
                yield Label(label.group(1))
            continue
        end = text.index(";", at)
        yield _statement(text[at:end], where)
        at = end + 1


def _statement(text: str, place: Place | None) -> Statement:
    if text.startswith(".reg"):
        return _registers(text)
    if text.startswith("."):
        return read_variable(text)
    return _instruction(text, place)


def _registers(text: str) -> Registers:
    found = re.match(r"\.reg\s*\.(\w+)\s*(.*)$", text, re.DOTALL)
    if found is None or found.group(1) not in BYTES:
        raise Unsupported(f"PTX registers {text[:60]!r}")
    names = []
    for one in found.group(2).split(","):
        stem, _, count = one.strip().rstrip(">").partition("<")
        names.append((stem.strip(), int(count) if count else None))
    return Registers(found.group(1), tuple(names))


_INSTRUCTION = re.compile(
    r"(?:@(?P<negated>!?)\s*(?P<guard>[\w$%.]+)\s+)?(?P<op>[a-z][\w.:]*)\s*(?P<rest>.*)$", re.DOTALL
)


def _instruction(text: str, place: Place | None) -> Instruction:
    found = _INSTRUCTION.match(text.strip())
    if found is None:
        raise Unsupported(f"PTX statement {text.strip()[:80]!r}")
    op = tuple(found.group("op").split("."))
    return Instruction(found.group("guard"), found.group("negated") == "!", op, _operands(found.group("rest")), place)


def _operands(text: str) -> tuple[str, ...]:
    """Split at the commas that stand outside brackets."""
    parts: list[str] = []
    current: list[str] = []
    depth = 0
    for one in text:
        depth += (one in "[{(") - (one in "]})")
        if one == "," and depth == 0:
            parts.append("".join(current).strip())
            current = []
        else:
            current.append(one)
    last = "".join(current).strip()
    return tuple([*parts, last] if last else parts)

"""What each kernel of a library is made of: its PTX instructions, counted by what they do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from kval_harness.build.diagnostics import demangle
from kval_harness.build.fatbin import ptx_in
from kval_harness.build.record import KernelUse

ENTRY = re.compile(r"^\s*(?:\.(?:visible|weak|extern)\s+)*\.entry\s+([\w$.]+)")
# A guard, and an opcode that its operands follow; names that stand alone on a line of a call's list are none.
OPCODE = re.compile(r"^\s*(?:\{\s*)?(?:@!?[%\w]+\s+)?([a-z][a-z0-9]*(?:[.:][\w:]+)*)(?=[ \t;])")
FLOAT = re.compile(r"\.(?:e\dm\d|b?f\d+|tf32)")
BY_STEM = {
    "atomic": "atom red",
    "barrier": "bar barrier mbarrier membar fence",
    "branch": "bra brx ret exit call trap",
    "compare": "set setp selp slct testp",
    "convert": "cvt",
    "copy": "cp",
    "move": "mov cvta prmt",
    "special": "cos ex2 lg2 rcp rsqrt sin sqrt tanh",
    "texture": "suld sust tex tld4",
    "tensor": "ldmatrix mma movmatrix stmatrix tcgen05 wgmma wmma",
    "warp": "activemask elect match redux shfl vote",
}
CLASS_OF = {stem: name for name, stems in BY_STEM.items() for stem in stems.split()}
ACCESS = {"ld": "Load", "ldu": "Load", "st": "Store"}
SPACES = ("const", "global", "local", "param", "shared")


def with_instructions(kernels: Sequence[KernelUse], library: Path) -> tuple[KernelUse, ...]:
    """The same kernels with their instructions by class, where `library` holds their PTX: counted as they stand, not as
    often as they run, without functions that were not inlined."""
    texts = ptx_in(library)
    counted = {demangle(name): counts for text in texts for name, counts in instructions_of(text).items()}
    return tuple(replace(one, instructions=counted.get(one.name)) for one in kernels)


def instructions_of(ptx: str) -> dict[str, dict[str, int]]:
    """For each entry of a PTX text, by its mangled name, how many instructions of each class it has."""
    return {name: dict(sorted(Counter(map(_class_of, words)).items())) for name, words in _entries(ptx)}


def _entries(ptx: str) -> Iterator[tuple[str, list[str]]]:
    name, depth, opcodes = None, 0, list[str]()
    for line in ptx.splitlines():
        if name is None:
            found = ENTRY.match(line)
            if found is None:
                continue
            name, depth, opcodes = found[1], 0, []
        code = line.partition("//")[0]
        if depth > 0 and (word := OPCODE.match(code)):
            opcodes.append(word[1])
        depth += code.count("{") - code.count("}")
        if depth == 0 and "}" in code:
            yield name, opcodes
            name = None


def _class_of(opcode: str) -> str:
    stem, *parts = opcode.split(".")
    if stem in ACCESS:
        spaces = [part.partition("::")[0] for part in parts]
        return next((space for space in spaces if space in SPACES), "global") + ACCESS[stem]
    if stem == "div" and FLOAT.search(opcode):
        return "special"
    return CLASS_OF.get(stem) or ("float" if FLOAT.search(opcode) else "integer")

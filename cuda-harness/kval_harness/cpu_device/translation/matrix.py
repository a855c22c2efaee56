"""Matrix instructions: wmma, whose fragments may lie in registers as we like, and mma and ldmatrix, whose may not."""

from __future__ import annotations

import re

from kval_harness.cpu_device.translation.operands import CPP, Frame, Rule, address_in, lanes, read, write
from kval_harness.cpu_device.translation.ptx import Instruction, Unsupported

SHAPE = re.compile(r"m(\d+)n(\d+)k(\d+)")
PACKED = {"f16": 2, "bf16": 2, "tf32": 1, "f32": 1, "s8": 4, "u8": 4, "s32": 1}
BYTES = {"f16": 2, "bf16": 2, "tf32": 4, "f32": 4, "s8": 1, "u8": 1, "s32": 4}


def _wmma(frame: Frame, one: Instruction) -> str:
    if one.op[1] == "mma":
        return _wmma_multiply(frame, one)
    which, kind = one.op[2], one.op[-1]
    m, n, k = _shape(one)
    rows, columns = {"a": (m, k), "b": (k, n), "c": (m, n), "d": (m, n)}[which]
    if kind not in PACKED:
        raise Unsupported(one.name)
    store = one.op[1] == "store"
    pointer, registers = (one.operands[0], one.operands[1]) if store else (one.operands[1], one.operands[0])
    names = lanes(registers)
    stride = read(frame, one.operands[2], "u32") if len(one.operands) > 2 else str(columns if "row" in one.op else rows)
    number, site = frame.site(one)
    address, _ = address_in(frame, pointer)
    space = next(
        (name.upper() for name in ("shared", "global") if any(word.startswith(name) for word in one.op)), "GENERIC"
    )
    given = f"t, caches[{number}], {site}, uint64_t({address}), kval::{space}, {stride}, {str('row' in one.op).lower()}"
    what = f"kv::Fragment<{BYTES[kind]}, {rows}, {columns}, {len(names)}>"
    if store:
        values = ", ".join(read(frame, name, "b32") for name in names)
        return f"{{ const uint32_t f[] = {{{values}}}; {what}::store({given}, f); }}"
    keep = " ".join(write(frame, name, "b32", f"f[{place}]") for place, name in enumerate(names))
    return f"{{ uint32_t f[{len(names)}]; {what}::load({given}, f); {keep} }}"


def _wmma_multiply(frame: Frame, one: Instruction) -> str:
    m, n, k = _shape(one)
    kinds = [word for word in one.op if word in PACKED or word == "f64"]
    # Two types: of the result and the sum, over halves. Four: of all of them.
    d, a, b, c = (kinds[0], "f16", "f16", kinds[1]) if len(kinds) == 2 else kinds if len(kinds) == 4 else ("",) * 4
    return _multiply(frame, one, (m, n, k), (d, a, b, c), fixed=False)


def _mma(frame: Frame, one: Instruction) -> str:
    m, n, k = _shape(one)
    kinds = [word for word in one.op if word in PACKED or word == "f64"]
    if len(kinds) != 4 or (m, n) != (16, 8) or "sp" in one.op or "b1" in one.op:
        raise Unsupported(one.name)
    d, a, b, c = kinds
    if (a, k) not in (("f16", 8), ("f16", 16), ("bf16", 8), ("bf16", 16), ("tf32", 4), ("tf32", 8)):
        raise Unsupported(one.name)
    return _multiply(frame, one, (m, n, k), (d, a, b, c), fixed=True)


def _multiply(
    frame: Frame, one: Instruction, shape: tuple[int, int, int], kinds: tuple[str, ...] | list[str], *, fixed: bool
) -> str:
    if any(kind not in PACKED for kind in kinds) or "satfinite" in one.op:
        raise Unsupported(one.name)
    groups = [lanes(operand) for operand in one.operands]
    arrays = " ".join(
        f"const uint32_t {letter}[] = {{{', '.join(read(frame, name, 'b32') for name in names)}}};"
        for letter, names in zip("abc", groups[1:], strict=True)
    )
    given = ", ".join(f"kval::T_{kind.upper()}" for kind in kinds)
    sizes = ", ".join(str(len(names)) for names in groups)
    matrix = f"kval::Matrix{{{', '.join(map(str, shape))}, {given}, {sizes}, {str(fixed).lower()}, a, b, c, d}}"
    keep = " ".join(write(frame, name, "b32", f"d[{place}]") for place, name in enumerate(groups[0]))
    site = frame.site(one)[1]
    return f"{{ {arrays} uint32_t d[{len(groups[0])}]; kv_matrix(t, {site}, {matrix}); {keep} }}"


def _load_matrix(frame: Frame, one: Instruction) -> str:
    """ldmatrix: eight lanes give the rows of each 8 x 8 matrix, and every lane gets two neighbours of one row."""
    if "m8n8" not in one.op or one.op[-1] != "b16":
        raise Unsupported(one.name)
    names = lanes(one.operands[0])
    number, site = frame.site(one)
    address, _ = address_in(frame, one.operands[1])
    flag = "true" if "trans" in one.op else "false"
    keep = " ".join(write(frame, name, "b32", f"f[{place}]") for place, name in enumerate(names))
    call = f"kv::load_matrix<{len(names)}, {flag}>(t, caches[{number}], {site}, shared, uint32_t({address}), f);"
    return f"{{ {CPP['b32']} f[{len(names)}]; {call} {keep} }}"


def _shape(one: Instruction) -> tuple[int, int, int]:
    found = next((SHAPE.fullmatch(word) for word in one.op if SHAPE.fullmatch(word)), None)
    if found is None:
        raise Unsupported(one.name)
    m, n, k = (int(number) for number in found.groups())
    return m, n, k


RULES: dict[str, Rule] = {"wmma": _wmma, "mma": _mma, "ldmatrix": _load_matrix}

"""What an instruction names: registers, numbers, addresses, as C++ expressions and assignments."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Protocol

from kval_harness.cpu_device.translation.ptx import Instruction, Unsupported

CPP = {
    "pred": "bool",
    "b8": "uint8_t", "u8": "uint8_t", "s8": "int8_t",
    "b16": "uint16_t", "u16": "uint16_t", "s16": "int16_t", "f16": "uint16_t", "bf16": "uint16_t",
    "b32": "uint32_t", "u32": "uint32_t", "s32": "int32_t", "f32": "float",
    "f16x2": "uint32_t", "bf16x2": "uint32_t", "tf32": "uint32_t",
    "b64": "uint64_t", "u64": "uint64_t", "s64": "int64_t", "f64": "double",
    "b128": "kv::u128",
}  # fmt: skip
STORED = {"int8_t": "uint8_t", "int16_t": "uint16_t", "int32_t": "uint32_t", "int64_t": "uint64_t"}
FLOATS = ("float", "double")
SPACES = {"global": "GLOBAL", "shared": "SHARED", "local": "LOCAL", "const": "CONSTANT"}


def stored(kind: str) -> str:
    """The C++ type of a register declared as `kind`."""
    return STORED.get(CPP[kind], CPP[kind])


class Frame(Protocol):
    """What an instruction needs of the function around it."""

    def register(self, operand: str) -> tuple[str, str] | None:
        """The C++ variable and type of a register; None where the operand is none."""

    def address_of(self, symbol: str) -> str | None:
        """The address of a variable or function as a C++ integer expression; None where there is none."""

    def parameter(self, symbol: str) -> str | None:
        """A C++ pointer to the first byte of a parameter; None where it is none."""

    def label(self, name: str) -> str:
        """The C++ label that a branch to `name` jumps to."""

    def targets(self, name: str) -> tuple[str, ...]: ...

    def site(self, instruction: Instruction) -> tuple[int, str]:
        """A number of this instruction's own, and the C++ name of its place in the source."""

    def depot(self) -> tuple[str, int] | None:
        """The function's local memory: its C++ name and size in bytes."""

    def is_entry(self) -> bool:
        """Whether this is a kernel, which nobody calls."""

    def group(self) -> tuple[str, int] | None:
        """The C++ pointer of the accesses that this one was checked with (null: they are not all fine), and how many
        bytes from it this one begins; None where it stands alone."""

    def call(self, instruction: Instruction) -> str: ...

    def leave(self) -> str:
        """What `ret` and `exit` are here."""


_SHAPES = ("ctaid", "ntid", "nctaid")
_SPECIAL = {
    **{f"%{name}.{axis}": f"t.block->{name}[{n}]" for name in _SHAPES for n, axis in enumerate("xyz")},
    **{f"%tid.{axis}": f"t.tid[{n}]" for n, axis in enumerate("xyz")},
    "%laneid": "t.lane", "%warpid": "t.warp",
    "%nwarpid": "((t.block->ntid[0] * t.block->ntid[1] * t.block->ntid[2] + 31) / 32)",
    "%envreg0": "0u", "%envreg1": "uint32_t(t.block->workspace >> 32)", "%envreg2": "uint32_t(t.block->workspace)",
    "%smid": "0u", "%nsmid": "132u", "%gridid": "t.block->grid_id", "WARP_SZ": "32u",
    "%lanemask_eq": "(1u << t.lane)", "%lanemask_lt": "((1u << t.lane) - 1)", "%lanemask_le": "((2u << t.lane) - 1)",
    "%lanemask_gt": "~((2u << t.lane) - 1)", "%lanemask_ge": "~((1u << t.lane) - 1)",
    "%clock": "uint32_t(kv_clock())", "%clock64": "kv_clock()", "%clock_hi": "uint32_t(kv_clock() >> 32)",
    "%globaltimer": "kv_nanoseconds()", "%globaltimer_lo": "uint32_t(kv_nanoseconds())",
    "%globaltimer_hi": "uint32_t(kv_nanoseconds() >> 32)",
    "%dynamic_smem_size": "t.block->dynamic_bytes",
    "%total_smem_size": "(t.block->dynamic_bytes + t.block->static_bytes)",
    "%cluster_ctarank": "0u", "%cluster_nctarank": "1u", "%is_explicit_cluster": "false",
    **{f"%clusterid.{axis}": f"t.block->ctaid[{n}]" for n, axis in enumerate("xyz")},
    **{f"%nclusterid.{axis}": f"t.block->nctaid[{n}]" for n, axis in enumerate("xyz")},
    **{f"%cluster_ctaid.{axis}": "0u" for axis in "xyz"},
    **{f"%cluster_nctaid.{axis}": "1u" for axis in "xyz"},
}  # fmt: skip


def read(frame: Frame, operand: str, kind: str) -> str:
    """`operand` as a C++ expression of type `CPP[kind]`."""
    wanted = CPP[kind]
    if operand.startswith("!"):
        return f"!{read(frame, operand[1:], kind)}"
    found = frame.register(operand)
    if found is not None:
        return as_type(found[0], found[1], wanted)
    if operand in _SPECIAL:
        return f"{wanted}({_SPECIAL[operand]})" if wanted not in FLOATS else f"kv::bits<{wanted}>({_SPECIAL[operand]})"
    number = number_of(operand, wanted)
    if number is not None:
        return number
    symbol, _, offset = operand.partition("+")
    address = frame.address_of(symbol)
    if address is not None:
        return f"{wanted}({address}{' + ' + offset if offset else ''})"
    raise Unsupported(f"operand {operand}")


def write(frame: Frame, operand: str, kind: str, value: str) -> str:
    """A statement that puts `value` (of type `CPP[kind]`) into the register `operand`."""
    if operand == "_":
        return f"(void)({value});"
    found = frame.register(operand)
    if found is None:
        raise Unsupported(f"result {operand}")
    name, has = found
    given = CPP[kind]
    if (has in FLOATS) != (given in FLOATS):
        return f"{name} = kv::bits<{has}>({given}({value}));"
    return (
        f"{name} = {has}({given}({value}));"
        if STORED.get(given, given) != has or given != has
        else f"{name} = {value};"
    )


def as_type(name: str, has: str, wanted: str) -> str:
    if has == wanted:
        return name
    if (has in FLOATS) != (wanted in FLOATS):
        return f"kv::bits<{wanted}>({name})"
    return f"{wanted}({name})"


def number_of(operand: str, wanted: str) -> str | None:
    real = re.fullmatch(r"(-?)0([fFdD])([0-9a-fA-F]+)", operand)
    if real:
        kind, width = ("float", 8) if real.group(2) in "fF" else ("double", 16)
        if len(real.group(3)) != width:
            return None
        pattern = f"0x{real.group(3)}{'u' if width == 8 else 'ull'}"
        if wanted in ("float", "double"):
            value = f"kv::bits<{kind}>({pattern})"
            return f"{real.group(1)}{value}" if kind == wanted else f"{wanted}({real.group(1)}{value})"
        return f"{wanted}({pattern})"
    if re.fullmatch(r"-?(0[xX][0-9a-fA-F]+|\d+)U?", operand):
        negative, digits = operand.startswith("-"), operand.strip("-U")
        octal = digits[0] == "0" and digits.isdigit() and len(digits) > 1
        integer = int(digits, 16 if digits[:2].lower() == "0x" else 8 if octal else 10) * (-1 if negative else 1)
        if wanted == "bool":
            return "true" if integer else "false"
        if wanted in FLOATS:
            return f"{wanted}({integer})"
        return f"{wanted}({integer % (1 << 64)}ull)"
    return None


def lanes(operand: str) -> tuple[str, ...]:
    """`{a, b}` as its parts; any other operand alone."""
    if operand.startswith("{"):
        return tuple(one.strip() for one in operand.strip("{}").split(","))
    return (operand,)


def address_in(frame: Frame, operand: str) -> tuple[str, str]:
    """The inside of `[base+offset]`: a C++ integer expression, and the base as it was written."""
    inner = operand.strip()
    if not (inner.startswith("[") and inner.endswith("]")):
        raise Unsupported(f"address {operand}")
    inner = inner[1:-1].strip()
    if "," in inner:
        raise Unsupported(f"address {operand}")
    base, sign, offset = re.fullmatch(r"([^+\s-][^+\s]*?)\s*(?:([+-])\s*(-?\w+))?", inner).groups()  # type: ignore[union-attr]
    found = frame.register(base)
    if found is not None:
        value = found[0]
    else:
        number = number_of(base, "uint64_t")
        value = number if number is not None else frame.address_of(base) or ""
        if not value:
            raise Unsupported(f"address {operand}")
    if offset is not None:
        step = int(offset, 0) * (-1 if sign == "-" else 1)
        kind = found[1] if found is not None else "uint64_t"
        value = f"{kind}({value} + {kind}({step}ll))" if step else value
    return value, base


ROUNDS = {"rn": "NEAREST", "rna": "NEAREST", "rm": "DOWN", "rp": "UP", "rz": "ZERO"}
HALVES = ("f16", "bf16", "f16x2", "bf16x2")


def rounding(one: Instruction) -> str:
    return next((ROUNDS[name] for name in one.op if name in ROUNDS), "NEAREST")


def half_call(kind: str, function: str, values: Sequence[str]) -> str:
    """`function` of floats over halves: one, or both of a pair."""
    name = ("bfloat" if kind.startswith("bf16") else "half") + str(len(values))
    if not kind.endswith("x2"):
        return f"kv::{name}({function}, {', '.join(values)})"
    low, high = (", ".join(f"kv::{part}({one})" for one in values) for part in ("low", "high"))
    return f"kv::pair(kv::{name}({function}, {low}), kv::{name}({function}, {high}))"


Rule = Callable[[Frame, Instruction], str]

"""Arithmetic on integers, floats and halves."""

from __future__ import annotations

import re
from collections.abc import Callable

from kval_harness.cpu_device.translation.operands import (
    CPP,
    HALVES,
    STORED,
    Frame,
    Rule,
    half_call,
    read,
    rounding,
    write,
)
from kval_harness.cpu_device.translation.ptx import BYTES, Instruction, Unsupported


def _arithmetic(plain: str, directed: str) -> Callable[[Frame, Instruction], str]:
    """add, sub, mul, fma, div on floats; `plain` and `directed` are over a, b, c."""

    def rule(frame: Frame, one: Instruction) -> str:
        kind = one.op[-1]
        values = [read(frame, name, kind) for name in one.operands[1:]]
        names = "abc"[: len(values)]
        if kind in HALVES:
            arguments = ", ".join(f"float {name}" for name in names)
            body = plain.replace("$T", "float")
            body = f"kv::fmax_(0.0f, {body})" if "relu" in one.op else body
            body = f"kv::saturate({body})" if "sat" in one.op else body
            return write(
                frame, one.operands[0], kind, half_call(kind, f"[]({arguments}) {{ return float({body}); }}", values)
            )
        if kind not in ("f32", "f64"):
            raise Unsupported(one.name)
        given = " ".join(f"const {CPP[kind]} {name} = {value};" for name, value in zip(names, values, strict=True))
        mode = rounding(one)
        if mode == "NEAREST":
            result = plain.replace("$T", CPP[kind])
        elif kind == "f32":
            wide = " ".join(f"const double w{name} = {name};" for name in names)
            given = f"{given} {wide}"
            widened = _WIDE.sub(lambda found: f"w{found.group()}", directed)
            result = f"kv::round_to_float<kv::{mode}>({widened})"
        else:
            result = f"kv::{_DIRECTED[one.op[0]]}<kv::{mode}>({', '.join(names)})"
        if "sat" in one.op:
            result = f"kv::saturate({CPP[kind]}({result}))"
        return f"{{ {given} {write(frame, one.operands[0], kind, result)} }}"

    return rule


_WIDE = re.compile(r"\b[abc]\b")
_DIRECTED = {"add": "add_", "mul": "mul_", "fma": "fma_", "mad": "fma_", "div": "div_"}


def _add(frame: Frame, one: Instruction) -> str:
    return _sum_or_difference(frame, one, "+")


def _subtract(frame: Frame, one: Instruction) -> str:
    return _sum_or_difference(frame, one, "-")


def _sum_or_difference(frame: Frame, one: Instruction, sign: str) -> str:
    kind = one.op[-1]
    if kind in ("f32", "f64", *HALVES):
        if kind == "f64" and sign == "-" and rounding(one) != "NEAREST":
            raise Unsupported(one.name)
        return _arithmetic(f"a {sign} b", f"a {sign} b")(frame, one)
    if kind in ("u16x2", "s16x2") or kind not in BYTES:
        raise Unsupported(one.name)
    a, b = (read(frame, name, kind) for name in one.operands[1:3])
    if "sat" in one.op:
        return write(frame, one.operands[0], kind, f"kv::clamp_integer<int32_t>(int64_t({a}) {sign} int64_t({b}))")
    unsigned = STORED.get(CPP[kind], CPP[kind])
    if "cc" in one.op or one.op[0] in ("addc", "subc"):
        return _carry(frame, one, sign, unsigned)
    return write(frame, one.operands[0], kind, f"{CPP[kind]}({unsigned}({a}) {sign} {unsigned}({b}))")


def _carry(frame: Frame, one: Instruction, sign: str, unsigned: str) -> str:
    a, b = (read(frame, name, one.op[-1]) for name in one.operands[1:3])
    return _carried(frame, one, sign, unsigned, a, b)


def _carried(frame: Frame, one: Instruction, sign: str, unsigned: str, a: str, b: str) -> str:
    """Extended precision: the carry lives in a variable of the function's."""
    wide = "unsigned __int128" if unsigned == "uint64_t" else "uint64_t"
    carried = f" {sign} {wide}(carry)" if one.op[0] in ("addc", "subc", "madc") else ""
    bits = 64 if unsigned == "uint64_t" else 32
    keep = f" carry = (sum >> {bits}) & 1;" if "cc" in one.op else ""
    given = f"const {wide} sum = {wide}({unsigned}({a})) {sign} {wide}({unsigned}({b})){carried};"
    return f"{{ {given}{keep} {write(frame, one.operands[0], f'b{bits}', f'{unsigned}(sum)')} }}"


def _multiply(frame: Frame, one: Instruction) -> str:
    kind = one.op[-1]
    if kind in ("f32", "f64", *HALVES):
        return _arithmetic("a * b", "a * b")(frame, one)
    return write(frame, one.operands[0], _product_kind(one), _product(frame, one, one.operands[1], one.operands[2]))


def _multiply_add(frame: Frame, one: Instruction) -> str:
    kind = one.op[-1]
    if kind in ("f32", "f64", *HALVES):
        return _fuse(frame, one)
    result = _product_kind(one)
    unsigned = STORED.get(CPP[result], CPP[result])
    c = read(frame, one.operands[3], result)
    product = _product(frame, one, one.operands[1], one.operands[2])
    if "cc" in one.op or one.op[0] == "madc":
        return _carried(frame, one, "+", unsigned, product, c)
    return write(frame, one.operands[0], result, f"{CPP[result]}({unsigned}({product}) + {unsigned}({c}))")


def _product_kind(one: Instruction) -> str:
    kind = one.op[-1]
    return f"{kind[0]}{2 * int(kind[1:])}" if "wide" in one.op else kind


def _product(frame: Frame, one: Instruction, left: str, right: str) -> str:
    kind = one.op[-1]
    if kind not in BYTES or kind[0] not in "us":
        raise Unsupported(one.name)
    a, b = read(frame, left, kind), read(frame, right, kind)
    if one.op[0] in ("mul24", "mad24"):
        low = "(int32_t({} << 8) >> 8)" if kind == "s32" else "({} & 0xffffffu)"
        a, b = low.format(a), low.format(b)
        if "hi" in one.op:
            raise Unsupported(one.name)
        return f"{CPP[kind]}(uint32_t({a}) * uint32_t({b}))"
    if "wide" in one.op:
        wide = CPP[_product_kind(one)]
        return f"{wide}({a}) * {wide}({b})"
    if "hi" in one.op:
        return f"kv::high_product({CPP[kind]}({a}), {CPP[kind]}({b}))"
    unsigned = "uint32_t" if kind in ("u16", "s16") else STORED.get(CPP[kind], CPP[kind])
    return f"{CPP[kind]}({unsigned}({a}) * {unsigned}({b}))"


_fused = _arithmetic("__builtin_fma(a, b, c)", "a * b + c")


def _fuse(frame: Frame, one: Instruction) -> str:
    kind = one.op[-1]
    if kind == "f32" and rounding(one) == "NEAREST":
        return _arithmetic("__builtin_fmaf(a, b, c)", "")(frame, one)
    if kind in HALVES:
        return _arithmetic("__builtin_fmaf(a, b, c)", "")(frame, one)
    return _fused(frame, one)


def _divide(frame: Frame, one: Instruction) -> str:
    kind = one.op[-1]
    if kind in ("f32", "f64", *HALVES):
        return _arithmetic("a / b", "a / b")(frame, one)
    a, b = (read(frame, name, kind) for name in one.operands[1:3])
    return write(frame, one.operands[0], kind, f"kv::divide<{CPP[kind]}>({a}, {b})")


def _remainder(frame: Frame, one: Instruction) -> str:
    kind = one.op[-1]
    a, b = (read(frame, name, kind) for name in one.operands[1:3])
    return write(frame, one.operands[0], kind, f"kv::remainder<{CPP[kind]}>({a}, {b})")


def _unary(body: str) -> Callable[[Frame, Instruction], str]:
    """A function of one float, in `$T`; halves go through float."""

    def rule(frame: Frame, one: Instruction) -> str:
        kind = one.op[-1]
        value = read(frame, one.operands[1], kind)
        if kind in HALVES:
            call = body.replace("$T", "float")
            return write(
                frame, one.operands[0], kind, half_call(kind, f"[](float a) {{ return float({call}); }}", [value])
            )
        if kind not in ("f32", "f64"):
            raise Unsupported(one.name)
        result = body.replace("$T", CPP[kind])
        mode = rounding(one)
        if mode != "NEAREST" and kind == "f32":
            result = f"kv::round_to_float<kv::{mode}>({body.replace('$T', 'double').replace('(a)', '(double(a))')})"
        return f"{{ const {CPP[kind]} a = {value}; {write(frame, one.operands[0], kind, f'{CPP[kind]}({result})')} }}"

    return rule


def _negate(frame: Frame, one: Instruction) -> str:
    kind = one.op[-1]
    value = read(frame, one.operands[1], kind)
    if kind in HALVES:
        mask = "0x80008000u" if kind.endswith("x2") else "0x8000u"
        return write(frame, one.operands[0], kind, f"{CPP[kind]}({value} ^ {mask})")
    return write(frame, one.operands[0], kind, f"{CPP[kind]}(-{value})")


def _absolute(frame: Frame, one: Instruction) -> str:
    kind = one.op[-1]
    value = read(frame, one.operands[1], kind)
    if kind in HALVES:
        mask = "0x7fff7fffu" if kind.endswith("x2") else "0x7fffu"
        return write(frame, one.operands[0], kind, f"{CPP[kind]}({value} & {mask})")
    return write(
        frame,
        one.operands[0],
        kind,
        f"std::fabs({value})" if kind in ("f32", "f64") else f"kv::absolute<{CPP[kind]}>({value})",
    )


def _extreme_of(name: str) -> Callable[[Frame, Instruction], str]:
    def rule(frame: Frame, one: Instruction) -> str:
        kind = one.op[-1]
        values = [read(frame, operand, kind) for operand in one.operands[1:]]
        if kind in ("f32", "f64", *HALVES):
            function = f"f{name}_nan" if "NaN" in one.op else f"f{name}_"
            if kind in HALVES:
                return write(
                    frame,
                    one.operands[0],
                    kind,
                    half_call(kind, f"[](float a, float b) {{ return kv::{function}(a, b); }}", values),
                )
            result = f"kv::{function}<{CPP[kind]}>({values[0]}, {values[1]})"
            for more in values[2:]:
                result = f"kv::{function}<{CPP[kind]}>({result}, {more})"
        elif kind in BYTES:
            result = f"kv::i{name}<{CPP[kind]}>({values[0]}, {values[1]})"
            result = f"kv::imax<{CPP[kind]}>({result}, 0)" if "relu" in one.op else result
        else:
            raise Unsupported(one.name)
        return write(frame, one.operands[0], kind, result)

    return rule


RULES: dict[str, Rule] = {
    "add": _add, "addc": _add, "sub": _subtract, "subc": _subtract,
    "mul": _multiply, "mul24": _multiply, "mad": _multiply_add, "mad24": _multiply_add, "madc": _multiply_add,
    "fma": _fuse, "div": _divide, "rem": _remainder, "neg": _negate, "abs": _absolute,
    "min": _extreme_of("min"), "max": _extreme_of("max"),
    "sqrt": _unary("std::sqrt(a)"), "rsqrt": _unary("$T(1) / std::sqrt(a)"), "rcp": _unary("$T(1) / (a)"),
    "ex2": _unary("std::exp2(a)"), "lg2": _unary("std::log2(a)"), "sin": _unary("std::sin(a)"),
    "cos": _unary("std::cos(a)"), "tanh": _unary("std::tanh(a)"),
}  # fmt: skip

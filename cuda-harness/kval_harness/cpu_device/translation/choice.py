"""Comparisons, choices and conversions."""

from __future__ import annotations

from kval_harness.cpu_device.translation.operands import CPP, HALVES, Frame, Rule, read, rounding, write
from kval_harness.cpu_device.translation.ptx import BYTES, Instruction, Unsupported

_ORDERED = {"eq": "==", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "lo": "<", "ls": "<=", "hi": ">", "hs": ">="}
_UNORDERED = {
    "equ": "!(a < b || a > b)",
    "neu": "a != b",
    "ltu": "!(a >= b)",
    "leu": "!(a > b)",
    "gtu": "!(a <= b)",
    "geu": "!(a < b)",
}


def _comparison(name: str, real: bool) -> str:
    if name == "ne":
        return "(a < b || a > b)" if real else "a != b"
    if name == "num":
        return "(a == a && b == b)"
    if name == "nan":
        return "(a != a || b != b)"
    if name in _ORDERED:
        return f"a {_ORDERED[name]} b"
    return _UNORDERED[name]


def _compared(frame: Frame, one: Instruction, kind: str, left: str, right: str) -> list[str]:
    """C++ expressions: one truth, or one for each half of a pair."""
    name = one.op[1]
    if name not in _ORDERED and name not in _UNORDERED and name not in ("ne", "num", "nan"):
        raise Unsupported(one.name)
    a, b = read(frame, left, kind), read(frame, right, kind)
    body = _comparison(name, kind in ("f32", "f64", *HALVES))
    if kind in HALVES:
        to_float = "kv::bfloat_to_float" if kind.startswith("bf16") else "kv::half_to_float"
        cuts = ("kv::low", "kv::high") if kind.endswith("x2") else ("",)
        return [
            f"[](float a, float b) {{ return {body}; }}({to_float}({cut}({a})), {to_float}({cut}({b})))" for cut in cuts
        ]
    return [f"[]({CPP[kind]} a, {CPP[kind]} b) {{ return {body}; }}({a}, {b})"]


def _combined(frame: Frame, one: Instruction, truth: str, third: str | None) -> str:
    if third is None:
        return truth
    signs = {"and": "&", "or": "|", "xor": "^"}
    sign = next(signs[name] for name in one.op if name in signs)
    return f"bool({truth} {sign} {read(frame, third, 'pred')})"


def _set_predicate(frame: Frame, one: Instruction) -> str:
    kind = one.op[-1]
    results = one.operands[0].split("|")
    truths = _compared(frame, one, kind, one.operands[1], one.operands[2])
    third = one.operands[3] if len(one.operands) > 3 else None
    if len(truths) == 1:
        truths = [truths[0], f"!{truths[0]}"]
    parts = [
        write(frame, name, "pred", _combined(frame, one, truth, third))
        for name, truth in zip(results, truths, strict=False)
    ]
    if len(parts) == 1:
        return parts[0]
    values = [_combined(frame, one, truth, third) for truth in truths]
    keep = " ".join(write(frame, name, "pred", f"v{place}") for place, name in enumerate(results))
    return f"{{ const bool v0 = {values[0]}, v1 = {values[1]}; {keep} }}"


def _set(frame: Frame, one: Instruction) -> str:
    to, kind = one.op[-2], one.op[-1]
    third = one.operands[3] if len(one.operands) > 3 else None
    truths = [
        _combined(frame, one, truth, third) for truth in _compared(frame, one, kind, one.operands[1], one.operands[2])
    ]
    if kind.endswith("x2"):
        yes = {"f16x2": "0x3c00", "bf16x2": "0x3f80"}.get(to, "0xffff")
        value = " | ".join(f"({truth} ? {yes}u << {16 * place} : 0u)" for place, truth in enumerate(truths))
        return write(frame, one.operands[0], "b32", value)
    yes = {"f32": "1.0f", "f16": "0x3c00", "bf16": "0x3f80"}.get(to, "-1")
    return write(frame, one.operands[0], to, f"{truths[0]} ? {CPP[to]}({yes}) : {CPP[to]}(0)")


def _select(frame: Frame, one: Instruction) -> str:
    kind = one.op[-1]
    a, b = read(frame, one.operands[1], kind), read(frame, one.operands[2], kind)
    return write(frame, one.operands[0], kind, f"{read(frame, one.operands[3], 'pred')} ? {a} : {b}")


def _slct(frame: Frame, one: Instruction) -> str:
    kind = one.op[-2]
    a, b = read(frame, one.operands[1], kind), read(frame, one.operands[2], kind)
    return write(frame, one.operands[0], kind, f"{read(frame, one.operands[3], one.op[-1])} >= 0 ? {a} : {b}")


def _test(frame: Frame, one: Instruction) -> str:
    value = read(frame, one.operands[1], one.op[-1])
    bodies = {
        "finite": "std::isfinite(a)", "infinite": "std::isinf(a)", "number": "a == a", "notanumber": "a != a",
        "normal": "std::isnormal(a)", "subnormal": "std::fpclassify(a) == FP_SUBNORMAL",
    }  # fmt: skip
    return write(frame, one.operands[0], "pred", f"[]({CPP[one.op[-1]]} a) {{ return {bodies[one.op[1]]}; }}({value})")


_INTEGRAL = {"rni": "kv::to_even", "rzi": "std::trunc", "rmi": "std::floor", "rpi": "std::ceil"}
_TO_FLOAT = {"f16": "kv::half_to_float", "bf16": "kv::bfloat_to_float"}
_FROM_FLOAT = {"f16": "kv::float_to_half", "bf16": "kv::float_to_bfloat"}


def _convert(frame: Frame, one: Instruction) -> str:
    to, kind = one.op[-2], one.op[-1]
    if to in ("f16x2", "bf16x2") and kind == "f32":
        high, low = (_from_float(to[:-2], read(frame, name, "f32"), one) for name in one.operands[1:3])
        return write(frame, one.operands[0], to, f"kv::pair({low}, {high})")
    if to == "tf32":
        return write(
            frame,
            one.operands[0],
            "b32",
            f"(kv::bits<uint32_t>({read(frame, one.operands[1], 'f32')}) + 0x1000u) & 0xffffe000u",
        )
    if to not in BYTES or kind not in BYTES or to.endswith("x2") or kind.endswith("x2"):
        raise Unsupported(one.name)
    value = read(frame, one.operands[1], kind)
    return write(frame, one.operands[0], to, _converted(one, to, kind, value))


def _from_float(to: str, value: str, one: Instruction) -> str:
    value = f"kv::fmax_nan(0.0f, {value})" if "relu" in one.op else value
    if "rz" in one.op:
        return f"{_FROM_FLOAT[to]}_zero({value})"
    return f"{_FROM_FLOAT[to]}({value})"


def _converted(one: Instruction, to: str, kind: str, value: str) -> str:
    real_to, real_from = to[0] in "f" or to == "bf16", kind[0] in "f" or kind == "bf16"
    if not real_to and not real_from:
        return f"kv::clamp_integer<{CPP[to]}>({value})" if "sat" in one.op else f"{CPP[to]}({value})"
    integral = next((_INTEGRAL[name] for name in one.op if name in _INTEGRAL), None)
    if real_from:
        value = f"{_TO_FLOAT[kind]}({value})" if kind in _TO_FLOAT else value
        value = f"{integral}({value})" if integral else value
        if not real_to:
            return f"kv::to_integer<{CPP[to]}>({value})"
    if "sat" in one.op:
        value = f"kv::saturate({value if real_from else 'float(' + value + ')'})"
    if to in _FROM_FLOAT:
        return _from_float(to, f"float({value})", one)
    mode = rounding(one)
    if mode == "NEAREST" or to == "f64":
        return f"{CPP[to]}({value})"
    return f"kv::round_to_float<kv::{mode}>(double({value}))"


RULES: dict[str, Rule] = {
    "setp": _set_predicate, "set": _set, "selp": _select, "slct": _slct, "testp": _test, "cvt": _convert,
}  # fmt: skip

"""Instructions on the bits of a word, and moves between registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kval_harness.cpu_device.translation.operands import CPP, Frame, Rule, lanes, read, write
from kval_harness.cpu_device.translation.ptx import BYTES, Instruction, Unsupported


def _move(frame: Frame, one: Instruction) -> str:
    kind = one.op[-1]
    to, source = one.operands[0], one.operands[1]
    if kind == "pred":
        return write(frame, to, "pred", read(frame, source, "pred"))
    if source.startswith("{"):
        return _pack(frame, to, lanes(source), kind)
    if to.startswith("{"):
        return _unpack(frame, lanes(to), source, kind)
    pointer = frame.parameter(source)
    if pointer is not None:
        return write(frame, to, "u64", f"uint64_t({pointer})")
    return write(frame, to, kind, read(frame, source, kind))


def _pack(frame: Frame, to: str, parts: tuple[str, ...], kind: str) -> str:
    width = BYTES[kind] // len(parts)
    piece = f"b{8 * width}"
    if kind == "b128":
        halves = [read(frame, one, "b64") for one in parts]
        return write(frame, to, kind, f"kv::u128{{{', '.join(halves)}}}")
    shifted = [f"{CPP[kind]}({read(frame, one, piece)}) << {8 * width * place}" for place, one in enumerate(parts)]
    unsigned = f"b{8 * BYTES[kind]}"
    return write(frame, to, unsigned, " | ".join(shifted))


def _unpack(frame: Frame, names: tuple[str, ...], source: str, kind: str) -> str:
    width = BYTES[kind] // len(names)
    piece = f"b{8 * width}"
    if kind == "b128":
        value = read(frame, source, kind)
        return " ".join(write(frame, name, "b64", f"{value}.{part}") for name, part in zip(names, "xy", strict=True))
    whole = f"b{8 * BYTES[kind]}"
    parts = " ".join(
        write(frame, name, piece, f"{CPP[piece]}(whole >> {8 * width * place})")
        for place, name in enumerate(names)
        if name != "_"
    )
    return f"{{ const {CPP[whole]} whole = {read(frame, source, whole)}; {parts} }}"


def _binary(symbol: str) -> Callable[[Frame, Instruction], str]:
    def rule(frame: Frame, one: Instruction) -> str:
        kind = one.op[-1]
        if kind == "pred":
            a, b = (read(frame, name, kind) for name in one.operands[1:3])
            return write(frame, one.operands[0], kind, f"bool({a} {symbol} {b})")
        a, b = (read(frame, name, kind) for name in one.operands[1:3])
        return write(frame, one.operands[0], kind, f"{a} {symbol} {b}")

    return rule


def _not(frame: Frame, one: Instruction) -> str:
    kind = one.op[-1]
    sign = "!" if kind == "pred" or one.op[0] == "cnot" else "~"
    return write(frame, one.operands[0], kind, f"{CPP[kind]}({sign}{read(frame, one.operands[1], kind)})")


def _shift(name: str) -> Callable[[Frame, Instruction], str]:
    def rule(frame: Frame, one: Instruction) -> str:
        kind = one.op[-1]
        a, n = read(frame, one.operands[1], kind), read(frame, one.operands[2], "u32")
        return write(frame, one.operands[0], kind, f"kv::shift_{name}<{CPP[kind]}>({a}, {n})")

    return rule


def _funnel(frame: Frame, one: Instruction) -> str:
    low, high, count = (read(frame, name, "b32") for name in one.operands[1:4])
    count = f"({count} & 31)" if "wrap" in one.op else f"kv::imin<uint32_t>({count}, 32)"
    side = "left" if "l" in one.op else "right"
    return write(frame, one.operands[0], "b32", f"kv::funnel_{side}({low}, {high}, {count})")


def _call(template: str, kinds: Sequence[str | None], result: str | None = None) -> Callable[[Frame, Instruction], str]:
    """A function of `simt.h` over operands of the given types (None: the instruction's own)."""

    def rule(frame: Frame, one: Instruction) -> str:
        own = one.op[-1]
        values = [read(frame, name, kind or own) for name, kind in zip(one.operands[1:], kinds, strict=False)]
        text = template.replace("$T", CPP[own]).replace("$B", CPP[f"b{8 * BYTES[own]}"])
        return write(frame, one.operands[0], result or own, text.format(*values))

    return rule


def _find(frame: Frame, one: Instruction) -> str:
    kind = one.op[-1]
    flag = "true" if "shiftamt" in one.op else "false"
    return write(
        frame, one.operands[0], "u32", f"kv::find_leading<{CPP[kind]}>({read(frame, one.operands[1], kind)}, {flag})"
    )


def _logic(frame: Frame, one: Instruction) -> str:
    a, b, c = (read(frame, name, one.op[-1]) for name in one.operands[1:4])
    return write(
        frame, one.operands[0], one.op[-1], f"kv::logic<{CPP[one.op[-1]]}>({a}, {b}, {c}, {int(one.operands[4], 0)})"
    )


def _mask(frame: Frame, one: Instruction) -> str:
    position, length = (read(frame, name, "u32") for name in one.operands[1:3])
    kind = "true" if "wrap" in one.op else "false"
    return write(frame, one.operands[0], "b32", f"kv::ones({position}, {length}, {kind})")


def _permute(frame: Frame, one: Instruction) -> str:
    if len(one.op) > 2:
        raise Unsupported(one.name)
    a, b, selector = (read(frame, name, "b32") for name in one.operands[1:4])
    return write(frame, one.operands[0], "b32", f"kv::permute({a}, {b}, {selector})")


def _dot(frame: Frame, one: Instruction) -> str:
    first, second = (CPP[f"{kind[0]}8"] for kind in one.op[-2:])
    a, b, c = (read(frame, name, "b32") for name in one.operands[1:4])
    return write(frame, one.operands[0], "b32", f"kv::dot4<{first}, {second}>({a}, {b}, {c})")


RULES: dict[str, Rule] = {
    "mov": _move, "and": _binary("&"), "or": _binary("|"), "xor": _binary("^"), "not": _not, "cnot": _not,
    "shl": _shift("left"), "shr": _shift("right"), "shf": _funnel,
    "copysign": _call("std::copysign({1}, {0})", (None, None)),
    "popc": _call("uint32_t(__builtin_popcountll({0}))", (None,), "u32"),
    "clz": _call("kv::leading<$T>({0})", (None,), "u32"), "bfind": _find,
    "brev": _call("kv::reverse<$T>({0})", (None,)),
    "bfe": _call("kv::field<$T>({0}, {1}, {2})", (None, "u32", "u32")),
    "bfi": _call("kv::insert<$T>({0}, {1}, {2}, {3})", (None, None, "u32", "u32")),
    "sad": _call("({0} > {1} ? {0} - {1} : {1} - {0}) + {2}", (None, None, None)),
    "bmsk": _mask, "lop3": _logic, "prmt": _permute, "dp4a": _dot,
}  # fmt: skip

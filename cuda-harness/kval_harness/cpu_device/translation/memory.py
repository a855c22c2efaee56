"""Loads, stores and atomics: every address is checked before it is touched."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kval_harness.cpu_device.translation.operands import (
    CPP,
    SPACES,
    Frame,
    Rule,
    address_in,
    half_call,
    lanes,
    read,
    write,
)
from kval_harness.cpu_device.translation.ptx import BYTES, Instruction, Unsupported


def _space(op: Sequence[str]) -> str | None:
    for one in op:
        plain = one.split("::")[0]
        if plain in ("global", "shared", "local", "const", "param"):
            return plain
    return None


def _lanes_of(op: Sequence[str]) -> int:
    return next((int(one[1:]) for one in op if re.fullmatch(r"v[248]", one)), 1)


def _reach(frame: Frame, one: Instruction, operand: str, width: int, *, store: bool) -> str:
    """A C++ pointer to the bytes that a load or store may touch, checked."""
    space = _space(one.op)
    if space == "param":
        return _parameter(frame, operand)
    address, _ = address_in(frame, operand)
    number, site = frame.site(one)
    place, written = f"t, caches[{number}], {site}", "true" if store else "false"
    depot = frame.depot()
    if space == "shared" and one.op[0] in ("atom", "red"):
        return f"kv::reach_shared_atomic<{width}>({place}, shared, uint32_t({address}))"
    if space == "shared":
        checked = f"kv::reach_shared<{width}>({place}, shared, uint32_t({address}), {written})"
    elif space == "local" and depot is not None:
        owner = "OWN" if frame.is_entry() else "LOCAL"
        return f"kv::reach_local<{width}>({place}, {address}, {depot[0]}, {depot[1]}, kval::{owner}, {written})"
    else:
        where = SPACES.get(space or "", "GENERIC")
        checked = f"kv::reach<{width}>({place}, {address}, kval::{where}, {written})"
    group = frame.group()
    return checked if group is None else f"({group[0]} ? {group[0]} + {group[1]} : {checked})"


@dataclass(frozen=True)
class Access:
    """A plain load or store through a register: what may be checked together with its neighbours."""

    base: str
    space: str
    offset: int
    bytes: int
    write: bool


def access(one: Instruction) -> Access | None:
    """The access of a load or store whose address is a register and a constant; None for anything else."""
    if one.op[0] not in ("ld", "ldu", "st") or one.op[-1] not in BYTES:
        return None
    space = _space(one.op) or "generic"
    if space in ("param", "local"):
        return None
    operand = one.operands[0 if one.op[0] == "st" else 1]
    found = re.fullmatch(r"\[\s*(%[\w$.]+)\s*(?:\+\s*(-?\d+))?\s*\]", operand)
    if found is None:
        return None
    size = BYTES[one.op[-1]] * _lanes_of(one.op)
    return Access(found.group(1), space, int(found.group(2) or 0), size, one.op[0] == "st")


def within(frame: Frame, one: Instruction, accesses: Sequence[Access]) -> str:
    """The check of several accesses at once."""
    first = min(each.offset for each in accesses)
    last = max(each.offset + each.bytes for each in accesses)
    align = max(each.bytes for each in accesses)
    found = frame.register(accesses[0].base)
    if found is None:
        raise Unsupported(f"address {accesses[0].base}")
    name, kind = found
    number, _ = frame.site(one)
    where = SPACES.get(accesses[0].space, "GENERIC")
    address = f"{kind}({name} + {kind}({first}ll))"
    address = f"uint32_t({address})" if where == "SHARED" else address
    base = "shared" if where == "SHARED" else "nullptr"
    writes = "true" if any(each.write for each in accesses) else "false"
    return f"kv::within<{last - first}, {align}>(t, caches[{number}], {base}, {address}, kval::{where}, {writes})"


def _parameter(frame: Frame, operand: str) -> str:
    inner = operand.strip()[1:-1].strip()
    base, _, offset = inner.partition("+")
    pointer = frame.parameter(base.strip())
    if pointer is None:
        return f"reinterpret_cast<uint8_t*>({address_in(frame, operand)[0]})"
    return f"({pointer} + {int(offset or '0', 0)})"


def _load(frame: Frame, one: Instruction) -> str:
    kind, count = one.op[-1], _lanes_of(one.op)
    if kind not in BYTES:
        raise Unsupported(one.name)
    each = BYTES[kind]
    names = lanes(one.operands[0])
    at = _reach(frame, one, one.operands[1], each * count, store=False)
    waiting = ("volatile" in one.op or "acquire" in one.op) and each <= 8
    parts = []
    for place, name in enumerate(names):
        step = f"at + {place * each}" if place else "at"
        if waiting:
            unsigned = f"uint{8 * each}_t"
            how = "load_together" if _space(one.op) == "shared" else "load_volatile"
            value = f"kv::bits<{CPP[kind]}>(kv::{how}<{unsigned}>(t, {step}))"
        else:
            value = f"kv::load<{CPP[kind]}>({step})"
        parts.append(write(frame, name, kind, value))
    return f"{{ const uint8_t* at = {at}; {' '.join(parts)} }}"


def _store(frame: Frame, one: Instruction) -> str:
    kind, count = one.op[-1], _lanes_of(one.op)
    if kind not in BYTES:
        raise Unsupported(one.name)
    each = BYTES[kind]
    at = _reach(frame, one, one.operands[0], each * count, store=True)
    ordered = ("volatile" in one.op or "release" in one.op) and each <= 8
    parts = []
    for place, name in enumerate(lanes(one.operands[1])):
        step = f"at + {place * each}" if place else "at"
        value = read(frame, name, kind)
        if ordered:
            unsigned = f"uint{8 * each}_t"
            call = "store_together" if _space(one.op) == "shared" else "store_volatile"
            given = f"t, {step}" if call == "store_together" else step
            parts.append(f"kv::{call}<{unsigned}>({given}, kv::bits<{unsigned}>({CPP[kind]}({value})));")
        else:
            parts.append(f"kv::store<{CPP[kind]}>({step}, {value});")
    return f"{{ uint8_t* at = {at}; {' '.join(parts)} }}"


def _atom(frame: Frame, one: Instruction) -> str:
    reduction = one.op[0] == "red"
    action = next((name for name in one.op if name in _CHANGES), None)
    kind, count = one.op[-1], _lanes_of(one.op)
    if action is None or kind not in BYTES or BYTES[kind] > 8:
        raise Unsupported(one.name)
    operands = one.operands if reduction else one.operands[1:]
    width = BYTES[kind]
    word = f"uint{8 * width}_t"
    at = _reach(frame, one, operands[0], width * count, store=True)
    exchange = "exchange_shared" if _space(one.op) == "shared" else "exchange"
    parts = []
    results = lanes(one.operands[0]) if not reduction else ("_",) * count
    second = lanes(operands[2]) if len(operands) > 2 else ("",) * count
    for place, (value, other, result) in enumerate(zip(lanes(operands[1]), second, results, strict=True)):
        b = read(frame, value, kind)
        c = f"const {CPP[kind]} c = {read(frame, other, kind)}; " if other else ""
        change = _CHANGES[action](kind)
        step = f"at + {place * width}"
        given = f"const {CPP[kind]} a = kv::bits<{CPP[kind]}>(was); (void)a;"
        body = f"[&]({word} was) {{ {given} return kv::bits<{word}>({CPP[kind]}({change})); }}"
        was = f"kv::{exchange}<{word}>({step}, {body})"
        keep = write(frame, result, kind, f"kv::bits<{CPP[kind]}>({was})")
        parts.append(f"{{ const {CPP[kind]} b = {b}; {c}{keep} }}")
    rest = " kv_yield(t);" if action in ("cas", "exch") and not reduction else ""
    return f"{{ uint8_t* at = {at}; {' '.join(parts)}{rest} }}"


def _sum(kind: str) -> str:
    if kind in ("f16", "bf16", "f16x2", "bf16x2"):
        return half_call(kind, "[](float x, float y) { return x + y; }", ("a", "b"))
    return "a + b"


def _extreme(name: str) -> Callable[[str], str]:
    def change(kind: str) -> str:
        if kind in ("f16", "bf16", "f16x2", "bf16x2"):
            return half_call(kind, f"[](float x, float y) {{ return kv::f{name}_(x, y); }}", ("a", "b"))
        return f"kv::f{name}_(a, b)" if kind in ("f32", "f64") else f"kv::i{name}(a, b)"

    return change


_CHANGES: dict[str, Callable[[str], str]] = {
    "add": _sum,
    "min": _extreme("min"),
    "max": _extreme("max"),
    "and": lambda kind: "a & b",
    "or": lambda kind: "a | b",
    "xor": lambda kind: "a ^ b",
    "exch": lambda kind: "b",
    "cas": lambda kind: "a == b ? c : a",
    "inc": lambda kind: "a >= b ? 0 : a + 1",
    "dec": lambda kind: "a == 0 || a > b ? b : a - 1",
}


def _copy_async(frame: Frame, one: Instruction) -> str:
    """cp.async: copied at once. (Code that forgets to wait for it is not found out.)"""
    if one.op[1:2] != ("async",) or "bulk" in one.op or "tensor" in one.op or "mbarrier" in one.op:
        raise Unsupported(one.name)
    if any(name in one.op for name in ("commit_group", "wait_group", "wait_all")):
        return ";"
    width = int(one.operands[2])
    number, site = frame.site(one)
    place = f"uint32_t({address_in(frame, one.operands[0])[0]})"
    to = f"kv::reach_shared<{width}>(t, caches[{number}], {site}, shared, {place}, true)"
    number, site = frame.site(one)
    source = (
        f"kv::reach<{width}>(t, caches[{number}], {site}, {address_in(frame, one.operands[1])[0]}, kval::GLOBAL, false)"
    )
    if len(one.operands) > 3:
        count = read(frame, one.operands[3], "u32")
        some = f"const uint32_t n = {count}; std::memset(to, 0, {width}); if (n) std::memcpy(to, {source}, n);"
        return f"{{ uint8_t* to = {to}; {some} }}"
    return f"{{ uint8_t* to = {to}; std::memcpy(to, {source}, {width}); }}"


def _convert_address(frame: Frame, one: Instruction) -> str:
    """cvta: only shared addresses differ from generic ones."""
    value = read(frame, one.operands[1], one.op[-1])
    if _space(one.op) == "shared":
        base = "uint64_t(t.block->shared)"
        value = f"{value} - {base}" if "to" in one.op else f"{value} + {base}"
    return write(frame, one.operands[0], one.op[-1], value)


def _is_space(frame: Frame, one: Instruction) -> str:
    address = read(frame, one.operands[1], "u64")
    space = _space(one.op)
    if space == "shared":
        return write(frame, one.operands[0], "pred", f"kv_in_shared(t, {address})")
    if space == "local":
        return write(frame, one.operands[0], "pred", f"kv_in_stack(t, {address})")
    return write(frame, one.operands[0], "pred", f"!kv_in_shared(t, {address}) && !kv_in_stack(t, {address})")


RULES: dict[str, Rule] = {
    "ld": _load, "ldu": _load, "st": _store, "atom": _atom, "red": _atom, "cp": _copy_async,
    "cvta": _convert_address, "isspacep": _is_space,
}  # fmt: skip

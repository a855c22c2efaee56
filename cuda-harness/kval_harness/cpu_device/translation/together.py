"""Barriers, and instructions that a whole warp does together."""

from __future__ import annotations

from kval_harness.cpu_device.translation.operands import Frame, Rule, read, write
from kval_harness.cpu_device.translation.ptx import BYTES, Instruction, Unsupported


def _barrier(frame: Frame, one: Instruction) -> str:
    site = frame.site(one)[1]
    if "cluster" in one.op:
        raise Unsupported(one.name)
    if one.op[1:2] == ("warp",):
        return f"kv_warp(t, {site}, {read(frame, one.operands[0], 'b32')}, kval::SYNC, 0, 0, 0, nullptr);"
    if "arrive" in one.op:
        return f"kv_arrive(t, {site}, {read(frame, one.operands[0], 'u32')}, {read(frame, one.operands[1], 'u32')});"
    if "red" in one.op:
        return _barrier_reduction(frame, one, site)
    numbers = [read(frame, name, "u32") for name in one.operands]
    count = numbers[1] if len(numbers) > 1 else "0"
    return f"kv_barrier(t, {site}, {numbers[0]}, {count}, 0, false);"


def _barrier_reduction(frame: Frame, one: Instruction, site: str) -> str:
    how = {"popc": 1, "and": 2, "or": 3}[next(name for name in one.op if name in ("popc", "and", "or"))]
    number = read(frame, one.operands[1], "u32")
    count = read(frame, one.operands[2], "u32") if len(one.operands) > 3 else "0"
    value = f"kv_barrier(t, {site}, {number}, {count}, {how}, {read(frame, one.operands[-1], 'pred')})"
    return write(frame, one.operands[0], "u32" if how == 1 else "pred", value)


def _shuffle(frame: Frame, one: Instruction) -> str:
    way = next(name for name in one.op if name in ("up", "down", "bfly", "idx")).upper()
    result, _, valid = one.operands[0].partition("|")
    value, b, c = (read(frame, name, "b32") for name in one.operands[1:4])
    mask = read(frame, one.operands[4], "b32") if "sync" in one.op else "0xffffffffu"
    site = frame.site(one)[1]
    given = f"kv_warp(t, {site}, {mask}, kval::SHUFFLE_{way}, {value}, {b}, {c}, &valid)"
    keep = write(frame, valid, "pred", "valid") if valid else ""
    return f"{{ bool valid; const uint32_t got = uint32_t({given}); {write(frame, result, 'b32', 'got')} {keep} }}"


def _vote(frame: Frame, one: Instruction) -> str:
    way = next(name for name in one.op if name in ("ballot", "any", "all", "uni")).upper()
    mask = read(frame, one.operands[2], "b32") if "sync" in one.op else "0xffffffffu"
    value = (
        f"kv_warp(t, {frame.site(one)[1]}, {mask}, kval::{way}, {read(frame, one.operands[1], 'pred')}, 0, 0, nullptr)"
    )
    return write(
        frame,
        one.operands[0],
        "b32" if way == "BALLOT" else "pred",
        f"uint32_t({value})" if way == "BALLOT" else f"{value} != 0",
    )


def _match(frame: Frame, one: Instruction) -> str:
    way = "MATCH_ANY" if "any" in one.op else "MATCH_ALL"
    result, _, valid = one.operands[0].partition("|")
    kind = (
        one.op[-2]
        if one.op[-1] == "sync"
        else one.op[-1]
        if one.op[-1] in BYTES
        else next(name for name in one.op if name in BYTES)
    )
    value, mask = read(frame, one.operands[1], kind), read(frame, one.operands[2], "b32")
    given = f"kv_warp(t, {frame.site(one)[1]}, {mask}, kval::{way}, {value}, 0, 0, &valid)"
    keep = write(frame, valid, "pred", "valid") if valid else ""
    return f"{{ bool valid; const uint32_t got = uint32_t({given}); {write(frame, result, 'b32', 'got')} {keep} }}"


def _reduce(frame: Frame, one: Instruction) -> str:
    way = next(name for name in one.op if name in ("add", "min", "max", "and", "or", "xor")).upper()
    kind = one.op[-1]
    if kind not in ("u32", "s32", "b32"):
        raise Unsupported(one.name)
    sign = {"u32": "_U", "s32": "_S"}.get(kind, "") if way in ("MIN", "MAX") else ""
    value, mask = read(frame, one.operands[1], "b32"), read(frame, one.operands[2], "b32")
    return write(
        frame,
        one.operands[0],
        "b32",
        f"uint32_t(kv_warp(t, {frame.site(one)[1]}, {mask}, kval::RED_{way}{sign}, {value}, 0, 0, nullptr))",
    )


def _elect(frame: Frame, one: Instruction) -> str:
    result, _, chosen = one.operands[0].partition("|")
    mask = read(frame, one.operands[1], "b32")
    given = f"const uint32_t mask = {mask}; kv_warp(t, {frame.site(one)[1]}, mask, kval::SYNC, 0, 0, 0, nullptr);"
    keep = write(frame, chosen, "pred", "t.lane == uint32_t(__builtin_ctz(mask))") if chosen else ""
    return f"{{ {given} {write(frame, result, 'u32', 'uint32_t(__builtin_ctz(mask))')} {keep} }}"


RULES: dict[str, Rule] = {
    "bar": _barrier, "barrier": _barrier, "shfl": _shuffle, "vote": _vote, "match": _match,
    "redux": _reduce, "elect": _elect,
    "activemask": lambda frame, one: write(frame, one.operands[0], "b32", f"kv_active(t, {frame.site(one)[1]})"),
    "membar": lambda frame, one: "__atomic_thread_fence(__ATOMIC_SEQ_CST);",
    "fence": lambda frame, one: "__atomic_thread_fence(__ATOMIC_SEQ_CST);",
}  # fmt: skip

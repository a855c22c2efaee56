"""One PTX instruction as C++ statements over `native/simt.h`.

A register is a C++ variable of its declared width; an instruction reads its operands as the type that it names and
writes the result as the register's.
"""

from __future__ import annotations

from kval_harness.cpu_device.translation import arithmetic, choice, matrix, memory, together, words
from kval_harness.cpu_device.translation.operands import Frame, Rule, read
from kval_harness.cpu_device.translation.ptx import Instruction, Unsupported


def emit(frame: Frame, one: Instruction) -> str:
    """The C++ of one instruction, its guard included. Raises Unsupported with the instruction's name."""
    root = one.op[0]
    rule = RULES.get(root)
    if rule is None:
        raise Unsupported(one.name)
    body = rule(frame, one)
    if one.guard is None:
        return body
    found = frame.register(one.guard)
    if found is None:
        raise Unsupported(f"guard {one.guard}")
    return f"if ({'!' if one.negated else ''}{found[0]}) {{ {body} }}"


def waits(one: Instruction) -> bool:
    """Whether a thread may have to let others of its block go on before this instruction ends."""
    if one.op[0] in _WAITING:
        return True
    if one.op[0] == "ld":
        return "volatile" in one.op or "acquire" in one.op
    return one.op[0] == "atom" and ("cas" in one.op or "exch" in one.op)


_WAITING = frozenset(
    "bar barrier shfl vote match redux activemask elect wmma mma ldmatrix call nanosleep exit".split()  # noqa: SIM905
)


def _branch(frame: Frame, one: Instruction) -> str:
    return f"goto {frame.label(one.operands[0])};"


def _branch_table(frame: Frame, one: Instruction) -> str:
    cases = " ".join(
        f"case {place}: goto {frame.label(name)};" for place, name in enumerate(frame.targets(one.operands[1]))
    )
    return f"switch ({read(frame, one.operands[0], 'u32')}) {{ {cases} }} __builtin_unreachable();"


def _nothing(frame: Frame, one: Instruction) -> str:
    return ";"


RULES: dict[str, Rule] = {
    **memory.RULES, **words.RULES, **arithmetic.RULES, **choice.RULES, **together.RULES, **matrix.RULES,
    "bra": _branch, "brx": _branch_table, "call": lambda frame, one: frame.call(one),
    "ret": lambda frame, one: frame.leave(), "exit": lambda frame, one: "kv_exit(t);",
    "trap": lambda frame, one: f'kv_trap(t, {frame.site(one)[1]}, "the kernel gave up (trap)");',
    "brkpt": _nothing, "prefetch": _nothing, "prefetchu": _nothing, "discard": _nothing, "applypriority": _nothing,
    "nanosleep": lambda frame, one: "kv_yield(t);", "griddepcontrol": _nothing,
    "setmaxnreg": _nothing, "pmevent": _nothing,
}  # fmt: skip

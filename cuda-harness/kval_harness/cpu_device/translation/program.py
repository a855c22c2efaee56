"""A PTX module as one C++ file: a function for every kernel, and a table that the engine finds them by."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from pathlib import PurePath

from kval_harness.cpu_device.translation.instructions import emit, waits
from kval_harness.cpu_device.translation.memory import Access, access, within
from kval_harness.cpu_device.translation.operands import stored
from kval_harness.cpu_device.translation.ptx import (
    Close,
    Function,
    Instruction,
    Label,
    Open,
    Place,
    Program,
    Registers,
    Statement,
    Targets,
    Unsupported,
    Variable,
    parse,
)

SHARED_GAP = 64  # bytes that belong to no array, between every two of them
FIRST_SHARED = 256


def translate_ptx(text: str) -> str:
    """The C++ of a PTX module. Raises Unsupported, with the construct's name, where it uses what is not translated."""
    program = parse(text)
    module = _Module(program, module_hash(text))
    return module.write()


def module_hash(text: str) -> int:
    """FNV-1a, 64 bits: what the engine finds a module by."""
    value = 0xCBF29CE484222325
    for byte in text.encode("utf-8", "surrogateescape"):
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


BUILT_IN = {"vprintf", "__assertfail", "malloc", "free"}


@dataclass
class _Module:
    program: Program
    hash: int
    sites: list[str] = field(default_factory=list)
    shared: dict[str, tuple[int, int]] = field(default_factory=dict)
    dynamic: set[str] = field(default_factory=set)
    dynamic_first: int = FIRST_SHARED

    def write(self) -> str:
        for one in self._shared_variables():
            if one.count is None:
                self.dynamic.add(one.name)
            elif one.name not in self.shared:
                first = -(-self.dynamic_first // max(one.align, 16)) * max(one.align, 16)
                self.shared[one.name] = (first, one.bytes)
                self.dynamic_first = first + one.bytes + SHARED_GAP
        self.dynamic_first = -(-self.dynamic_first // 1024) * 1024
        bodies = [_Body(self, one) for one in self.program.functions if one.body is not None]
        texts = [body.write() for body in bodies]
        kernels = [body for body in bodies if body.function.entry]
        return "\n".join(
            [
                '#include "simt.h"',
                "using kval::Thread;",
                *(f"static void {name_of(body.function.name)}({_signature(body.function)});" for body in bodies),
                *self._variables(),
                "static const kval::Site sites[] = {",
                *(f"  {one}," for one in self.sites or ['{"", 0, ""}']),
                "};",
                *texts,
                *self._table(kernels),
            ]
        )

    def variable(self, name: str) -> Variable | None:
        return next(
            (one for one in self.program.variables if one.name == name and one.space in ("global", "const")), None
        )

    def function(self, name: str) -> Function | None:
        return next((one for one in self.program.functions if one.name == name), None)

    def site(self, instruction: Instruction) -> int:
        file, line = self._where(instruction.place)
        what = instruction.name.replace('"', "'")
        self.sites.append(f'{{"{file}", {line}, "{what}"}}')
        return len(self.sites) - 1

    def _where(self, place: Place | None) -> tuple[str, int]:
        """The candidate's own line: where a header's code was inlined, the line that called it."""
        if place is None:
            return "", 0
        path = self.program.files.get(place.file, "")
        if place.inlined_at is not None and ("/include/" in path or not path):
            file, line = place.inlined_at
            return PurePath(self.program.files.get(file, "")).name, line
        return PurePath(path).name, place.line

    def _shared_variables(self) -> list[Variable]:
        found = [one for one in self.program.variables if one.space == "shared"]
        for function in self.program.functions:
            found += [one for one in function.body or [] if isinstance(one, Variable) and one.space == "shared"]
        return found

    def _variables(self) -> list[str]:
        """Global and constant memory of the module's own, initialised."""
        lines, late = [], []
        for one in self.program.variables:
            if one.space not in ("global", "const"):
                continue
            if one.count is None:
                raise Unsupported(f"extern {one.space} variable {one.name}")
            kind = stored(one.type)
            plain = all(re.match(r"-?\d|0[fFdDxX]", value) for value in one.values)
            values = "" if not one.values or not plain else ", ".join(_initial(value, one.type) for value in one.values)
            lines.append(
                f"alignas({max(one.align, 16)}) static {kind} {name_of(one.name)}[{max(one.count, 1)}] = {{{values}}};"
            )
            if one.values and not plain:
                late += self._addresses(one)
        if late:
            lines.append(
                "namespace { struct Addresses { Addresses() {\n" + "\n".join(late) + "\n} }; Addresses addresses; }"
            )
        return lines

    def _addresses(self, one: Variable) -> list[str]:
        lines = []
        for place, value in enumerate(one.values):
            found = re.fullmatch(r"(?:generic\(([^)]+)\)|([\w$.]+))(?:\+(\d+))?", value)
            number = re.match(r"-?\d", value)
            if number is None and found is None:
                raise Unsupported(f"initial value {value}")
            if number is not None:
                lines.append(f"  {name_of(one.name)}[{place}] = {_initial(value, one.type)};")
            else:
                assert found is not None
                symbol = found.group(1) or found.group(2)
                if self.variable(symbol) is None and self.function(symbol) is None:
                    raise Unsupported(f"initial value {value}")
                lines.append(f"  {name_of(one.name)}[{place}] = uint64_t(&{name_of(symbol)}) + {found.group(3) or 0};")
        return lines

    def _table(self, kernels: list[_Body]) -> list[str]:
        lines = []
        for number, body in enumerate(kernels):
            offsets, sizes, place = [], [], 0
            for one in body.function.parameters:
                place = -(-place // one.align) * one.align
                offsets.append(place)
                sizes.append(one.bytes)
                place += one.bytes
            arrays = [(name, *self.shared[name]) for name in sorted(body.uses_shared()) if name in self.shared]
            lines += [
                f"static const uint32_t offsets_{number}[] = {{{', '.join(map(str, [*offsets, place]))}}};",
                f"static const uint32_t sizes_{number}[] = {{{', '.join(map(str, [*sizes, 0]))}}};",
                f"static const kval::Shared shared_{number}[] = {{{_rows(arrays)}}};",
            ]
        rows = []
        for number, body in enumerate(kernels):
            used = [self.shared[name][1] for name in sorted(body.uses_shared()) if name in self.shared]
            static = sum(-(-size // 16) * 16 for size in used[:-1]) + sum(used[-1:])
            limit = body.function.directives.get("maxntid") or body.function.directives.get("reqntid") or 1024
            place = len(body.function.parameters)
            name, waits_, calls = body.function.name, str(body.waits()).lower(), str(body.calls()).lower()
            parameters = f"{place}, offsets_{number}, offsets_{number}[{place}], sizes_{number}"
            memory = f"shared_{number}, {len(used)}, {static}, {self.dynamic_first}, {len(self.sites)}"
            stack = f"{body.all_local_bytes()}, {body.frame_bytes()}, {calls}, {limit}"
            rows.append(f'  {{"{name}", {name_of(name)}, {waits_}, {parameters}, {memory}, {stack}}},')
        variables = [one for one in self.program.variables if one.space in ("global", "const")]
        return [
            *lines,
            "static const kval::Code kernels[] = {",
            *(rows or ["  {},"]),
            "};",
            "static const kval::Variable variables[] = {",
            *(f'  {{"{one.name}", (void*){name_of(one.name)}, {one.bytes}}},' for one in variables),
            "  {nullptr, nullptr, 0},",
            "};",
            f'extern "C" const kval::Module kval_module_{self.hash:016x} = {{0x{self.hash:016x}ull, kernels, '
            f"{len(kernels)}, variables, {len(variables)}}};",
        ]


def _rows(arrays: list[tuple[str, int, int]]) -> str:
    return ", ".join(f'{{"{name}", {first}, {size}}}' for name, first, size in arrays) or "{}"


def name_of(symbol: str) -> str:
    """A PTX symbol as a C++ one."""
    return "S_" + re.sub(r"[^\w]", lambda found: f"_{ord(found.group()):x}_", symbol)


def _signature(function: Function) -> str:
    return "Thread& t" if function.entry else "Thread& t, uint8_t* const* out, uint8_t* const* in"


def _initial(value: str, kind: str) -> str:
    real = re.fullmatch(r"0([fFdD])([0-9a-fA-F]+)", value)
    if real:
        digits = real.group(2)
        # An initialiser must be constant: the hexadecimal float, not its bits.
        return _real(int(digits, 16), single=real.group(1) in "fF")
    return f"({stored(kind)}){value.rstrip('U')}{'ull' if not value.startswith('-') else 'll'}"


def _real(bits: int, *, single: bool) -> str:
    import struct

    number = (
        struct.unpack("<f", struct.pack("<I", bits))[0] if single else struct.unpack("<d", struct.pack("<Q", bits))[0]
    )
    if number != number:
        return '__builtin_nanf("")' if single else '__builtin_nan("")'
    if number in (float("inf"), float("-inf")):
        return ("-" if number < 0 else "") + ("__builtin_inff()" if single else "__builtin_inf()")
    return float(number).hex() + ("f" if single else "")


# --- one function ----------------------------------------------------------------------------------------------------


@dataclass
class _Body:
    module: _Module
    function: Function
    scopes: list[dict[str, str]] = field(default_factory=lambda: [{}])
    stems: list[dict[str, str]] = field(default_factory=lambda: [{}])
    local: dict[str, int] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    labels: dict[tuple[int, str], str] = field(default_factory=dict)
    chain: list[int] = field(default_factory=lambda: [0])
    tables: dict[str, tuple[str, ...]] = field(default_factory=dict)
    used: dict[str, str] = field(default_factory=dict)
    scopes_seen: int = 0
    place: int = 0
    groups: dict[int, tuple[str, int]] = field(default_factory=dict)

    def write(self) -> str:
        function = self.function
        assert function.body is not None
        self._collect_labels()
        for place, one in enumerate(function.parameters):
            self.parameters[one.name] = (
                f"(t.block->params + {self._offset(place)})" if function.entry else f"in[{place}]"
            )
        for place, one in enumerate(function.returns):
            self.parameters[one.name] = f"out[{place}]"
        lines: list[str] = []
        self.groups, checks = _groups(function.body)
        for self.place, statement in enumerate(function.body):
            if isinstance(statement, Instruction):
                if self.place in checks:
                    lines.append(f"{self.groups[self.place][0]} = {within(self, statement, checks[self.place])};")
                lines.append(emit(self, statement))
            elif isinstance(statement, Label):
                lines.append(f"{self.label(statement.name)}:;")
            elif isinstance(statement, Registers):
                lines += self._declare(statement)
            elif isinstance(statement, Variable):
                lines += self._variable(statement)
            elif isinstance(statement, Targets):
                self.tables[statement.name] = statement.labels
            elif isinstance(statement, Open):
                self._open()
                lines.append("{")
            elif isinstance(statement, Close):
                self._close()
                lines.append("}")
        registers = [f"{kind} {', '.join(names)};" for kind, names in self._by_kind().items()]
        # Registers of the outermost scope are declared at its top: a goto must not jump over them.
        head = f"static void {name_of(function.name)}({_signature(function)}) {{"
        body = textwrap.indent("\n".join([*registers, *self._depots(), *lines]), "  ")
        given = [
            "uint8_t* const shared = t.block->shared;",
            "kval::Cache* const caches = t.block->caches;",
            "uint64_t carry = 0;",
            *(f"uint8_t* {name};" for name in sorted({name for name, _ in self.groups.values()})),
        ]
        return "\n".join([head, textwrap.indent("\n".join(given), "  "), body, "}"])

    def waits(self) -> bool:
        return any(waits(one) for one in self.function.body or [] if isinstance(one, Instruction))

    def uses_shared(self) -> set[str]:
        """The shared arrays that this function, or one that it calls, names."""
        return {name for function in self._reached() for name in _symbols(function) if name in self.module.shared}

    def all_local_bytes(self) -> int:
        return sum(
            one.bytes + one.align
            for function in self._reached()
            for one in function.body or []
            if isinstance(one, Variable) and one.space == "local"
        )

    def frame_bytes(self) -> int:
        """An upper bound of the C++ function's frame: every register spilled, every array."""
        registers = sum(
            1 if count is None else count
            for one in self.function.body or []
            if isinstance(one, Registers)
            for _, count in one.names
        )
        return 16 * registers + 8 * len(self.groups) + self.all_local_bytes() + 1024

    def calls(self) -> bool:
        return any(one.op[0] == "call" for one in self.function.body or [] if isinstance(one, Instruction))

    def _reached(self) -> list[Function]:
        found = [self.function]
        for function in found:
            for name in _symbols(function):
                other = self.module.function(name)
                if other is not None and other not in found:
                    found.append(other)
        return found

    # --- what an instruction asks ------------------------------------------------------------------------------------

    def register(self, operand: str) -> tuple[str, str] | None:
        for depth in range(len(self.scopes) - 1, -1, -1):
            kind = self.scopes[depth].get(operand)
            if kind is None:
                stem = re.sub(r"\d+$", "", operand)
                kind = self.stems[depth].get(stem) if stem != operand else None
            if kind is not None:
                name = _register_name(operand)
                if depth == 0:
                    self.used[name] = kind
                return name, kind
        return None

    def address_of(self, symbol: str) -> str | None:
        if symbol in self.local:
            return f"uint64_t({name_of(symbol)})"
        if symbol in self.module.shared:
            return f"{self.module.shared[symbol][0]}u"
        if symbol in self.module.dynamic:
            return "t.block->dynamic_first"
        if self.module.variable(symbol) is not None:
            return f"uint64_t({name_of(symbol)})"
        other = self.module.function(symbol)
        if other is not None and other.body is not None:
            return f"uint64_t(&{name_of(symbol)})"
        return None

    def parameter(self, symbol: str) -> str | None:
        return self.parameters.get(symbol)

    def label(self, name: str) -> str:
        for scope in reversed(self.chain):
            if (scope, name) in self.labels:
                return self.labels[scope, name]
        raise Unsupported(f"label {name}")

    def targets(self, name: str) -> tuple[str, ...]:
        return self.tables[name]

    def site(self, instruction: Instruction) -> tuple[int, str]:
        number = self.module.site(instruction)
        return number, f"sites[{number}]"

    def is_entry(self) -> bool:
        return self.function.entry

    def group(self) -> tuple[str, int] | None:
        return self.groups.get(self.place)

    def depot(self) -> tuple[str, int] | None:
        if len(self.local) != 1:
            return None
        name, size = next(iter(self.local.items()))
        return name_of(name), size

    def leave(self) -> str:
        return "return;"

    def call(self, instruction: Instruction) -> str:
        """`call (results), function, (arguments)`: every parameter is a small buffer of its own."""
        operands = list(instruction.operands)
        results = _names(operands.pop(0)) if operands[0].startswith("(") else []
        target = operands.pop(0)
        arguments = _names(operands[0]) if operands and operands[0].startswith("(") else []
        site = self.site(instruction)[1]
        out, given = [self._buffer(name) for name in results], [self._buffer(name) for name in arguments]
        if target in BUILT_IN:
            return _built_in(target, site, out, given)
        pointers = (
            f"uint8_t* o[] = {{{', '.join([*out, 'nullptr'])}}}; uint8_t* i[] = {{{', '.join([*given, 'nullptr'])}}};"
        )
        function = self.module.function(target)
        if function is not None and function.body is not None:
            return f"{{ {pointers} {name_of(target)}(t, o, i); }}"
        found = self.register(target)
        if found is None:
            raise Unsupported(f"call of {target}")
        kind = "void (*)(Thread&, uint8_t* const*, uint8_t* const*)"
        return f"{{ {pointers} reinterpret_cast<{kind}>({found[0]})(t, o, i); }}"

    def _buffer(self, name: str) -> str:
        pointer = self.parameters.get(name)
        if pointer is None:
            raise Unsupported(f"argument {name}")
        return pointer

    # --- declarations ------------------------------------------------------------------------------------------------

    def _declare(self, registers: Registers) -> list[str]:
        kind = stored(registers.type)
        names = []
        for name, count in registers.names:
            if count is not None:
                self.stems[-1][name] = kind
                names += [f"{name}{number}" for number in range(count)] if len(self.scopes) > 1 else []
            else:
                self.scopes[-1][name] = kind
                names.append(name)
        if len(self.scopes) == 1:
            return []
        return [f"{kind} {', '.join(map(_register_name, names))};"] if names else []

    def _variable(self, one: Variable) -> list[str]:
        if one.space == "local":
            if one.count is None:
                raise Unsupported(f"local variable {one.name}")
            self.local[one.name] = one.bytes
            return []
        if one.space == "param":
            plain = name_of(one.name)
            self.parameters[one.name] = plain
            return [f"alignas({max(one.align, 8)}) uint8_t {plain}[{max(one.bytes, 8)}];"]
        return []  # shared: placed by the module

    def _depots(self) -> list[str]:
        assert self.function.body is not None
        return [
            f"alignas({max(one.align, 16)}) uint8_t {name_of(one.name)}[{max(one.bytes, 1)}];"
            for one in self.function.body
            if isinstance(one, Variable) and one.space == "local"
        ]

    def _by_kind(self) -> dict[str, list[str]]:
        kinds: dict[str, list[str]] = {}
        for name, kind in self.used.items():
            kinds.setdefault(kind, []).append(name)
        return kinds

    def _offset(self, place: int) -> int:
        offset = 0
        for one in self.function.parameters[: place + 1]:
            offset = -(-offset // one.align) * one.align
            last = offset
            offset += one.bytes
        return last

    def _open(self) -> None:
        self.scopes.append({})
        self.stems.append({})
        self.scopes_seen += 1
        self.chain.append(self.scopes_seen)

    def _close(self) -> None:
        self.scopes.pop()
        self.stems.pop()
        self.chain.pop()

    def _collect_labels(self) -> None:
        chain, seen = [0], 0
        for one in self.function.body or []:
            if isinstance(one, Open):
                seen += 1
                chain.append(seen)
            elif isinstance(one, Close):
                chain.pop()
            elif isinstance(one, Label):
                self.labels[chain[-1], one.name] = f"L{chain[-1]}_{re.sub(r'[^a-zA-Z0-9]', '_', one.name)}"


def _groups(body: list[Statement]) -> tuple[dict[int, tuple[str, int]], dict[int, list[Access]]]:
    """Accesses of one straight piece of code through one register, checked together where the first of them stands.

    Returns for every access the name of its check and its distance from the first, and what is checked at a place.
    """
    names: dict[int, tuple[str, int]] = {}
    checks: dict[int, list[Access]] = {}
    open_groups: dict[tuple[str, str], list[tuple[int, Access]]] = {}

    def close(key: tuple[str, str]) -> None:
        members = open_groups.pop(key)
        first = min(one.offset for _, one in members)
        fitting = [(place, one) for place, one in members if (one.offset - first) % one.bytes == 0]
        if len(fitting) > 1:
            start = min(one.offset for _, one in fitting)
            checks[fitting[0][0]] = [one for _, one in fitting]
            names.update({place: (f"g{fitting[0][0]}", one.offset - start) for place, one in fitting})

    for place, statement in enumerate(body):
        if not isinstance(statement, Instruction):
            for key in list(open_groups):
                close(key)
            continue
        found = access(statement)
        if found is not None:
            open_groups.setdefault((found.base, found.space), []).append((place, found))
        ends = statement.op[0] in ("bra", "brx", "call", "ret", "exit")
        changed = (
            set()
            if statement.op[0] in ("st", "red")
            else set(re.findall(r"%[\w$.]+", statement.operands[0] if statement.operands else ""))
        )
        for key in list(open_groups):
            if ends or key[0] in changed:
                close(key)
    for key in list(open_groups):
        close(key)
    return names, checks


def _register_name(operand: str) -> str:
    return "r_" + re.sub(r"[^\w]", "_", operand.lstrip("%"))


def _names(group: str) -> list[str]:
    return [one.strip() for one in group.strip("()").split(",") if one.strip()]


def _symbols(function: Function) -> set[str]:
    return {
        name
        for one in function.body or []
        if isinstance(one, Instruction)
        for operand in one.operands
        for name in re.findall(r"[\w$.]+", operand)
    }


def _built_in(target: str, site: str, out: list[str], given: list[str]) -> str:
    def word(pointer: str) -> str:
        return f"kv::load<uint64_t>({pointer})"

    if target == "vprintf":
        call = f"kv_print((const char*){word(given[0])}, (const uint8_t*){word(given[1])})"
        return f"kv::store<uint32_t>({out[0]}, {call});"
    if target == "__assertfail":
        texts = [f"(const char*){word(given[place])}" for place in (0, 1)]
        return f"kv_assert(t, {texts[0]}, {texts[1]}, kv::load<uint32_t>({given[2]}), (const char*){word(given[3])});"
    if target == "malloc":
        return f"kv::store<uint64_t>({out[0]}, kv_malloc({word(given[0])}));"
    return f"kv_free({word(given[0])});"

"""Torch's own operator declarations, read out of its installed headers, and handed out by name.

Torch's headers spend most of a compiler's time on some two thousand operators of which a kernel names a few. The
declarations and inline bodies are cut out of the installed headers once and kept as JSON; each candidate then gets
exactly those that its text can name, word for word as torch has them, so overloads, defaults and conversions are
torch's own and the calls go to the same symbols of torch's libraries.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INDEX_VERSION = 5
# What the shim's own Tensor class needs whatever the candidate says, and what its binary operators need.
CORE_METHODS = (
    "to", "fill_", "copy_", "add_", "sub_", "mul_", "div_", "bitwise_and_", "bitwise_or_", "bitwise_xor_",
    "bitwise_not", "neg", "select", "item",
)  # fmt: skip
OPERATOR_METHODS = (
    "add", "sub", "mul", "div", "remainder", "bitwise_and", "bitwise_or", "bitwise_xor",
    "lt", "le", "gt", "ge", "eq", "ne", "remainder_",
)  # fmt: skip
OPERATOR_FUNCTIONS = ("empty_like",)
WORD = re.compile(r"[A-Za-z_]\w*")
METHOD_BODY = re.compile(
    r"^inline [^\n]*? Tensor::(\w+)\([^\n]*\) const \{\n.*?\n\}",
    re.MULTILINE | re.DOTALL,
)
METHOD = re.compile(
    r"^  (?:const )?(?:at::|::std::|c10::|bool |void |double |int64_t |float )[^\n({;]*?(\w+)\([^\n]*\) const;$",
    re.MULTILINE,
)
CALL = re.compile(r"at::_ops::(\w+)::call")
# Types that the shim only declares. An operator that takes one cannot be given a body, but its overload stays visible.
OPAQUE = re.compile(
    r"at::(?:Storage|Stream)\b|TensorDataContainer|c10::(?:Storage|Stream|SymBool)\b|c10::List<|at::IOptTensorListRef"
)


@dataclass(frozen=True)
class Operators:
    """`methods`, `functions` (at::), `factories` (torch::): name to C++ text; `calls`: `at::_ops` struct to text."""

    methods: dict[str, list[tuple[str, str]]]
    functions: dict[str, list[str]]
    factories: dict[str, list[str]]
    calls: dict[str, str]

    def knows(self, name: str) -> bool:
        return name in self.methods or name in self.functions or name in self.factories

    def methods_text(self, words: frozenset[str] | None) -> str:
        """The method declarations of `at::Tensor` among `words` (None: all)."""
        return "\n".join(decl for decl, _ in self._methods(words))

    def functions_text(self, words: frozenset[str] | None) -> str:
        """The bodies of those methods, and the `at::` and `torch::` functions among `words` (None: all)."""
        methods = [body for _, body in self._methods(words) if not OPAQUE.search(body)]
        wanted = None if words is None else words | set(OPERATOR_FUNCTIONS)
        functions = [_closed(text) for name in _among(self.functions, wanted) for text in self.functions[name]]
        factories = [_closed(text) for name in _among(self.factories, words) for text in self.factories[name]]
        bodies = "\n".join([*methods, *functions, *factories])
        needed = dict.fromkeys(match for match in CALL.findall(bodies))
        calls = [self.calls[name] for name in needed if name in self.calls]
        parts = ["namespace at::_ops {", *calls, "}", "namespace at {", *methods, *functions, "}"]
        return "\n".join([*parts, "namespace torch {", *factories, "}", ""])

    def _methods(self, words: frozenset[str] | None) -> list[tuple[str, str]]:
        if words is None:
            return [pair for pairs in self.methods.values() for pair in pairs]
        found = []
        for name in _among(self.methods, words | set(CORE_METHODS) | set(OPERATOR_METHODS)):
            pairs = self.methods[name]
            # Where the candidate does not say the name, only the shim's own calls of it count.
            found += pairs if name in words else [pair for pair in pairs if "string_view" not in pair[0]]
        return found


def load_operators(torch_root: Path, torch_version: str, cache: Path) -> Operators:
    """The operators of the torch installed at `torch_root`; the index is built once and kept in `cache`."""
    place = cache / f"operators-{INDEX_VERSION}-{torch_version}.json"
    try:
        data: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        data = build_index(torch_root / "include")
        _write(place, json.dumps(data, separators=(",", ":")))
    methods = {name: [(one[0], one[1]) for one in pairs] for name, pairs in data["methods"].items()}
    return Operators(methods, data["functions"], data["factories"], data["calls"])


def build_index(include: Path) -> dict[str, Any]:
    """Read every generated operator header below torch's `include` folder."""
    functions: dict[str, list[str]] = {}
    calls: dict[str, str] = {}
    for header in sorted((include / "ATen" / "ops").glob("*.h")):
        if header.name.endswith("_ops.h"):
            calls.update(_calls(header.read_text(encoding="utf-8")))
        elif not re.search(r"_(native|meta|dispatch|compositeexplicit\w*|compositeimplicit\w*)\.h$", header.name):
            _collect(functions, _inline_functions(header.read_text(encoding="utf-8"), "at"))
    factories: dict[str, list[str]] = {}
    variable_factories = include / "torch" / "csrc" / "autograd" / "generated" / "variable_factories.h"
    _collect(factories, _inline_functions(variable_factories.read_text(encoding="utf-8"), "torch"))
    body = (include / "ATen" / "core" / "TensorBody.h").read_text(encoding="utf-8")
    return {"methods": _methods(body), "functions": functions, "factories": factories, "calls": calls}


def _closed(text: str) -> str:
    """The definition, or its declaration alone where it needs a type that the shim does not have."""
    return text.split(" {\n", 1)[0] + ";" if OPAQUE.search(text) else text


def _among(table: dict[str, Any], words: frozenset[str] | None) -> list[str]:
    return list(table) if words is None else [name for name in table if name in words]


def _calls(text: str) -> dict[str, str]:
    found = {}
    for match in re.finditer(r"struct TORCH_API (\w+) \{(.*?)\n\};", text, re.DOTALL):
        call = re.search(r"static [^;=]* call\([^;]*\);", match.group(2))
        if call:
            found[match.group(1)] = f"struct {match.group(1)} {{ {call.group(0)} }};"
    return found


def _collect(into: dict[str, list[str]], found: list[tuple[str, str]]) -> None:
    for name, text in found:
        into.setdefault(name, []).append(text)


def _inline_functions(text: str, namespace: str) -> list[tuple[str, str]]:
    """(name, definition) of each inline function directly in `namespace`."""
    start = re.search(rf"^namespace {namespace} \{{", text, re.MULTILINE)
    if start is None:
        return []
    rest = re.sub(r"^namespace symint \{.*?^\}", "", text[start.end() :], flags=re.MULTILINE | re.DOTALL)
    found = []
    for match in re.finditer(r"^inline [^\n]*?\b(\w+)\([^\n]*\) \{\n.*?\n\}", rest, re.MULTILINE | re.DOTALL):
        found.append((match.group(1), match.group(0)))
    return found


def _methods(text: str) -> dict[str, list[tuple[str, str]]]:
    """Each method that torch generates into `at::Tensor`: its declaration and its inline body, matched in order."""
    start = text.index("class TORCH_API Tensor")
    bodies: dict[str, list[str]] = {}
    for match in METHOD_BODY.finditer(text):
        if "at::_ops::" in match.group(0):
            bodies.setdefault(match.group(1), []).append(match.group(0))
    declarations: dict[str, list[str]] = {}
    for match in METHOD.finditer(text[start:]):
        declarations.setdefault(match.group(1), []).append(match.group(0))
    found = {}
    for name, texts in bodies.items():
        if len(declarations.get(name, [])) == len(texts):
            found[name] = list(zip(declarations[name], texts, strict=True))
    return found


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=place.parent, prefix=".draft-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    Path(draft).replace(place)

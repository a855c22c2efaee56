"""The words that torch's own headers give a meaning to, and those among them that the shim does not know.

A candidate's text means the same under the shim as under torch's headers as long as it uses no name that only torch's
headers declare or define. Those names are read once out of the preprocessed headers and kept beside the shim.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

TOKEN = re.compile(
    r"[A-Za-z_]\w*|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|#[^\n]*|\.?\d[\w.]*|::|[^\s\w]",
)
KEYWORDS = frozenset(
    (
        "alignas", "alignof", "and", "asm", "auto", "bool", "break", "case", "catch", "char", "class", "const",
        "constexpr", "const_cast", "continue", "decltype", "default", "delete", "do", "double", "dynamic_cast",
        "else", "enum", "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if", "inline",
        "int", "long", "mutable", "namespace", "new", "noexcept", "not", "nullptr", "operator", "or", "private",
        "protected", "public", "register", "reinterpret_cast", "return", "short", "signed", "sizeof", "static",
        "static_assert", "static_cast", "struct", "switch", "template", "this", "thread_local", "throw", "true",
        "try", "typedef", "typeid", "typename", "union", "unsigned", "using", "virtual", "void", "volatile", "while",
        "override", "final",
    )
)  # fmt: skip
OPEN_NAMESPACES = ("at", "c10", "torch")
TENSOR_WORDS = frozenset(("Tensor", "TensorBase", "Scalar", "TensorList", "IntArrayRef", "TensorOptions", "Device"))


@dataclass(frozen=True)
class Vocabulary:
    """`macros`, `globals`: names that only torch's headers have there. `functions`: functions of torch's namespaces
    that take torch's types, so that a call finds them without their namespace, and that the shim lacks. `words`: every
    word of torch's headers. `late`: names that the shim has only where its standard headers are asked for."""

    macros: frozenset[str]
    globals: frozenset[str]
    functions: frozenset[str]
    words: frozenset[str]
    late: frozenset[str]

    def to_json(self) -> dict[str, list[str]]:
        return {name: sorted(getattr(self, name)) for name in self.__dataclass_fields__}

    @staticmethod
    def from_json(data: dict[str, list[str]]) -> Vocabulary:
        return Vocabulary(**{name: frozenset(data[name]) for name in Vocabulary.__dataclass_fields__})


@dataclass(frozen=True)
class Names:
    """What one preprocessed file declares: names in the global scope, functions of torch's namespaces, all words; and
    the macros that were defined at its end."""

    globals: frozenset[str]
    functions: frozenset[str]
    words: frozenset[str]
    macros: frozenset[str]


def vocabulary(torch: Names, full: Names, least: Names, operators: frozenset[str]) -> Vocabulary:
    """Compares torch's headers with the shim at its fullest and at its least; `operators` it can always give."""
    return Vocabulary(
        macros=torch.macros - full.macros,
        globals=torch.globals - full.globals,
        functions=torch.functions - full.functions - operators,
        words=torch.words | torch.macros,
        late=(full.macros - least.macros) | (full.globals - least.globals),
    )


def macro_names(text: str) -> frozenset[str]:
    """The names in the output of a preprocessor's `-dM`."""
    return frozenset(re.findall(r"^#define (\w+)", text, re.MULTILINE))


def names_of(text: str, macros: frozenset[str]) -> Names:
    """Reads preprocessed C++ by its braces: only what stands directly in a namespace is a declaration."""
    globals_found: set[str] = set()
    functions: set[str] = set()
    words: set[str] = set()
    scopes: list[tuple[str, bool]] = []  # (how many namespaces it opened, "" where it is none; is it an enum)
    head: list[str] = []  # the tokens since the last ; { or }
    path: list[str] = []
    opaque = parentheses = 0
    function = ""  # of torch's, in whose parameters the reader is
    pending = ""  # a name of the global scope, unless `::` follows
    for token in _tokens(text):
        first = token[0]
        word = first.isalpha() or first == "_"
        if word:
            words.add(token)
        if opaque:
            if token == "{":
                opaque += 1
            elif token == "}":
                opaque -= 1
            elif word and opaque == 1 and scopes and scopes[-1][1] and not path and token not in KEYWORDS:
                globals_found.add(token)
            if opaque == 0 and scopes:
                scopes.pop()
            continue
        if token == "(":
            if pending:
                globals_found.add(pending)
            # Deeper namespaces, such as at::native, are not searched for a call's arguments.
            found_by_argument = len(path) == 1 and path[0] in OPEN_NAMESPACES
            if parentheses == 0 and head and found_by_argument and head[-1][0].isidentifier():
                function = head[-1] if head[-2:-1] != ["::"] else ""
            parentheses += 1
        elif token == ")":
            parentheses = max(0, parentheses - 1)
            function = function if parentheses else ""
        elif function and token in TENSOR_WORDS:
            functions.add(function)
        elif token == "{":
            if pending and not parentheses and "namespace" not in head:
                globals_found.add(pending)
            pending = ""
            opened = _namespace(head)
            if opened is not None:
                path.extend(opened)
                scopes.append((str(len(opened)), False))
            else:
                scopes.append(("", "enum" in head and "(" not in head))
                opaque = 1
            head, parentheses = [], 0
            continue
        elif token == "}":
            if scopes:
                count = int(scopes.pop()[0] or 0)
                del path[len(path) - count :]
            head = []
            continue
        elif token == ";":
            if pending:
                globals_found.add(pending)
            head, parentheses, pending = [], 0, ""
            continue
        elif word and parentheses == 0 and not path and token not in KEYWORDS and _declares(head):
            pending = token
            head.append(token)
            continue
        elif pending and token in ",=[":
            globals_found.add(pending)
        pending = ""
        head.append(token)
    return Names(frozenset(globals_found), frozenset(functions), frozenset(words), macros)


def _tokens(text: str) -> Iterable[str]:
    for match in TOKEN.finditer(text):
        token = match.group(0)
        if token[0] != "#":
            yield token


def _declares(head: list[str]) -> bool:
    """Whether the next name can be what a declaration declares: not a template's parameter, not a qualified name."""
    if not head:
        return True
    return head[-1] not in ("typename", "::", "<") and not (head[0] == "template" and ">" not in head)


def _namespace(head: list[str]) -> list[str] | None:
    """The names that `head {` opens as a namespace; [] for `extern "C" {`; None for anything else."""
    if "namespace" in head and "(" not in head and "=" not in head:
        rest = head[head.index("namespace") + 1 :]
        return [token for token in rest if token.isidentifier() and token not in ("inline", "__attribute__")]
    if len(head) >= 2 and head[-2] == "extern" and head[-1].startswith('"'):
        return []
    return None

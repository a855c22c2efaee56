"""`load_inline`'s own rules, told before any compiler runs.

Only what is certain from the text is said here; wherever a macro, a condition or a file of the candidate's own could
change the answer, the compiler has the word.
"""

from __future__ import annotations

import ctypes
import functools
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from kval_harness.build.spec import ExtensionSpec, is_cuda_file
from kval_harness.outcome import CompileError, Diagnostic, Rejected

IDENTIFIER = re.compile(r"[A-Za-z_]\w*\Z")
KNOWN_INCLUDE = re.compile(
    r"#\s*include\s*(?:[<\"](?:torch|ATen|c10|pybind11)/[^>\"]*[>\"]|[<\"](?:Python|cuda\w*|cublas\w*|curand\w*)\.h[>\"]"
    r"|<[a-z_]+(?:\.h)?>)"
)
INIT_FUNCTION = re.compile(r"PyInit|PYBIND11_|_MODULE\b|TORCH_EXTENSION_NAME|TORCH_LIBRARY|PyModuleDef")
OWN_MODULE = re.compile(r"\bPYBIND11_MODULE\s*\(\s*(\w+)\s*,")
COMMENT_OR_STRING = re.compile(
    r'//(?:[^\n\\]|\\.)*|/\*.*?(?:\*/|\Z)|R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)"'
    r'|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'',
    re.DOTALL,
)
C_WORDS = frozenset(
    ("main", "assert", "errno", "isnan", "isinf", "isfinite", "isnormal", "signbit", "isless", "isgreater")
)
# Flags that make a compiler run a program of the candidate's, or write where the candidate says.
FOREIGN_PROGRAM = re.compile(
    r"^(?:-fplugin|-plugin|--?specs|-wrapper|-B(?!symbolic|static|dynamic)|-ccbin|--compiler-bindir|-optf"
    r"|--options-file|@|-o$|--output|-odir|-MF|--dependency-output|-dumpdir|-dumpbase|-Map|--keep-dir|-keep-dir"
    r"|-run|--run|-fdump-|-fopt-info|-fprofile|-aux-info|--dry-run|-dryrun|--print-map|-fdiagnostics-format)"
)


def check_rules(spec: ExtensionSpec) -> CompileError | Rejected | None:
    """The broken rule of `load_inline` or `load`, or None where it takes a compiler to tell.

    A flag that would have the compiler run or overwrite something is `Rejected` (`compiler-flag`): the compiler works
    for the harness, outside the candidate's own process.
    """
    foreign = _foreign_flag(spec)
    if foreign is not None:
        return Rejected("compiler-flag", f"{foreign} would make the compiler run or write something of the candidate's")
    for rule in (_name, _objects, _own_module, _declared, _init_function):
        broken = rule(spec)
        if broken is not None:
            message, file = broken
            return CompileError("rules", message, (Diagnostic("rules", "error", file, None, None, None, message),))
    return None


def without_comments(text: str) -> str:
    """C++ text with comments and the insides of strings blanked out; lines keep their numbers."""

    def blank(found: re.Match[str]) -> str:
        lines = "\n" * found.group().count("\n")
        return (" " if found.group().startswith("/") else '""') + lines

    return COMMENT_OR_STRING.sub(blank, text)


def _foreign_flag(spec: ExtensionSpec) -> str | None:
    flags = " ".join([*spec.extra_cflags, *spec.extra_cuda_cflags, *spec.extra_ldflags])
    for word in re.split(r"[\s,]+", re.sub(r"[\"'\\]", "", flags)):
        if FOREIGN_PROGRAM.match(word) or FOREIGN_PROGRAM.match(word.partition("=")[2]):
            return word
    return None


def _name(spec: ExtensionSpec) -> tuple[str, str] | None:
    """`TORCH_EXTENSION_NAME` is pasted into C++ names."""
    if "/" in spec.name or "\0" in spec.name or not spec.name:
        return f"the extension's name {spec.name!r} cannot be the name of a module", "name"
    if spec.functions is not None and not IDENTIFIER.match(spec.name):
        return f"the extension's name {spec.name!r} is no C++ identifier, so its bindings cannot be generated", "name"
    return None


def _objects(spec: ExtensionSpec) -> tuple[str, str] | None:
    """Two sources of one stem have one object file, which ninja refuses."""
    cuda = spec.builds_cuda()
    objects = Counter(
        PurePosixPath(file.path).stem + (".cuda.o" if cuda and is_cuda_file(file.path) else ".o")
        for file in spec.files()
    )
    twice = [name for name, count in objects.items() if count > 1]
    return (f"ninja: error: build.ninja: multiple rules generate {twice[0]}", "sources") if twice else None


def _own_module(spec: ExtensionSpec) -> tuple[str, str] | None:
    """`functions` generates a PYBIND11_MODULE; one of the candidate's own beside it defines `PyInit_` twice."""
    if spec.functions is None:
        return None
    for file, texts in (("cpp_sources", spec.cpp_sources), ("cuda_sources", spec.cuda_sources)):
        text = without_comments("\n".join(texts))
        if _is_conditional(text, "PYBIND11_MODULE") or _is_conditional(text, "TORCH_EXTENSION_NAME"):
            continue
        if any(module in ("TORCH_EXTENSION_NAME", spec.name) for module in OWN_MODULE.findall(text)):
            return (
                f"`functions` is given and {file} has a PYBIND11_MODULE of its own: load_inline generates one for "
                f"`functions` too, so the module's init function PyInit_{spec.name} is defined twice. Drop one of them",
                file,
            )
    return None


def _declared(spec: ExtensionSpec) -> tuple[str, str] | None:
    """Bindings are generated at the end of `main.cpp`, which sees `cpp_sources` and torch's headers only."""
    if spec.functions is None:
        return None
    text = without_comments("\n".join(spec.cpp_sources))
    if "##" in text or _includes_its_own(spec.cpp_sources, spec):
        return None
    words = set(re.findall(r"\w+", text))
    missing = [name for name, _ in spec.functions if IDENTIFIER.match(name) and name not in words and not _in_c(name)]
    if not missing:
        return None
    defined = [name for name in missing if re.search(rf"\b{name}\b", "\n".join(spec.cuda_sources))]
    where = " (cuda_sources has it, but that is another translation unit)" if defined else ""
    names = ", ".join(f"'{name}'" for name in missing)
    return (
        f"{names} in `functions` {'is' if len(missing) == 1 else 'are'} not declared in cpp_sources{where}: "
        f"the generated binding in main.cpp cannot see it. Declare it in cpp_sources",
        "functions",
    )


def _init_function(spec: ExtensionSpec) -> tuple[str, str] | None:
    """Without `functions` the candidate brings the module's init function, or the import fails."""
    if spec.functions is not None or not spec.is_python_module:
        return None
    texts = [file.text for file in spec.files()] + [text for _, text in spec.headers]
    if any(INIT_FUNCTION.search(without_comments(text)) or "##" in text for text in texts):
        return None
    if _includes_its_own(texts, spec):
        return None
    message = f"dynamic module does not define module export function (PyInit_{spec.name})"
    wanted = "`functions` or a PYBIND11_MODULE" if spec.kind == "load_inline" else "a PYBIND11_MODULE"
    return f"{message}: the sources bind nothing to Python; {wanted} is needed", "functions"


def _is_conditional(text: str, word: str) -> bool:
    return bool(re.search(rf"#\s*(?:if|elif)|#\s*(?:define|undef)[^\n]*\b{word}\b", text))


def _includes_its_own(texts: Iterable[str], spec: ExtensionSpec) -> bool:
    """Whether a header may be the candidate's, or one whose contents nobody here knows."""
    lines = [line for text in texts for line in re.findall(r"#\s*include[^\n]*", text)]
    return any(not KNOWN_INCLUDE.match(line) for line in lines) or bool(lines and spec.headers)


def _in_c(name: str) -> bool:
    """Whether C has a global function of that name, which torch's headers then may declare."""
    return name in C_WORDS or any(hasattr(library, name) for library in _c_libraries())


@functools.cache
def _c_libraries() -> tuple[ctypes.CDLL, ...]:
    return tuple(ctypes.CDLL(name) for name in ("libc.so.6", "libm.so.6"))

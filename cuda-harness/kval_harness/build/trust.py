"""How far the fast build's word goes: what it must not take on, and which of its failures stand as the verdict.

The shim offers less than torch. What builds with it builds with torch, as long as the candidate says nothing that
torch's headers would hear differently; `must_decline` turns such candidates away before any compiler runs. What fails
with it may fail for want of something that torch has; `judge` lets a failure stand only where torch has no part in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from kval_harness.build.diagnostics import summary
from kval_harness.build.rules import without_comments
from kval_harness.build.shim.operators import WORD
from kval_harness.build.shim.prepare import Prepared
from kval_harness.build.spec import ExtensionSpec, SourceFile, is_cuda_file
from kval_harness.build.steps import Step
from kval_harness.build.toolchain import Toolchain
from kval_harness.outcome import CompileError, Diagnostic

HARMLESS_FLAG = re.compile(
    r"-O[0-3s]?|-Ofast|-g|-w|-Wall|-Wextra|-Wno-[\w-]+|-std=(?:c|gnu)\+\+(?:17|20)|-fPIC|-march=[\w-]+|-mtune=[\w-]+"
    r"|-l[\w.+-]+|-ffast-math|-funroll-loops|-fopenmp|-m(?:avx\w*|fma|sse\w*)"
)
HARMLESS_NVCC_FLAG = re.compile(
    r"-O[0-3]|--?use_fast_math|--?maxrregcount=\d+|-lineinfo|--generate-line-info|-Xptxas=\S+|-Xptxas|--ptxas-options=\S+"
    r"|-v|-std=c\+\+17|--std=c\+\+17|--expt-relaxed-constexpr|--expt-extended-lambda|--extended-lambda|--fmad=\w+"
    r"|-l[\w.+-]+|-diag-suppress=?\d*|-w|-g|--ftz=\w+|--prec-div=\w+|--prec-sqrt=\w+|-Xcompiler|-fPIC|-O3"
)
HARMLESS_LINK_FLAG = re.compile(r"-l[\w.+-]+|-L\S+|-Wl,-rpath,\S+|-Wl,--no-as-needed|-s")


# Headers whose whole content every candidate has anyway; with any other of torch's, its words would have to be known.
STARTING = frozenset(("torch/extension.h", "torch/types.h", "ATen/ATen.h", "torch/torch.h", "torch/all.h"))
INCLUDE_LINE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"\n]+)[>"]', re.MULTILINE)
TORCH_HEADER = re.compile(r"^(?:torch|ATen|c10|caffe2|pybind11)/|^Python\.h$")
FOREIGN_NAMESPACE = re.compile(r"\bnamespace\s+(?:torch|at|c10|std|pybind11|caffe2|cuda)\b(?!\s*=)")
DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(\w+)[ \t]*(\w*)", re.MULTILINE)
HARMLESS_PRAGMAS = ("unroll", "once", "GCC", "nv_diag_suppress", "nv_diagnostic")
CALLED = re.compile(r"(?<![\w:.>])([A-Za-z_]\w*)\s*\(")

LAUNCHED = re.compile(r"\b([A-Za-z_]\w*)(\s*<<<)")
NOT_CALLS = frozenset(("if", "for", "while", "switch", "return", "sizeof", "static_cast", "reinterpret_cast", "dim3"))

# Complaints about a name that nobody declares.
UNDECLARED = (
    re.compile(r'^identifier "(?:[\w:]*::)?(\w+)" is undefined'),
    re.compile(r'^(?:namespace|class|global scope)\b.* has no member "(\w+)"'),
    re.compile(r"^[\u2018'`](?:[\w:]*::)?(\w+)[\u2019'] was not declared in this scope"),
    re.compile(r"^[\u2018'`](\w+)[\u2019'] is not a member of"),
    re.compile(r"^[\u2018'`](\w+)[\u2019'] does not name a type"),
)
# Complaints about CUDA's own types.
CUDA_TYPE = re.compile(
    r"^a __global__ function must have a void return type|^a variable length array cannot have static storage duration"
    r'|^class "(?:u?(?:char|short|int|long|longlong)|float|double|dim)[1-4](?:_\w+)?" has no member "\w+"$'
    r'|^no instance of constructor "dim3::dim3" matches the argument list argument types are: \((?!.*(?:::|error))'
)
MISSING_HEADER = re.compile(r'^cannot open source file "([^"]+)"|^([^:]+): No such file or directory')
# Complaints about the form of the text alone.
SYNTAX = re.compile(
    r"^expected (?:an? |the )|^extra text after|^unrecognized token|^missing closing quote|^unterminated |^stray "
    r"|^#(?:endif|else|elif)|^expected [\u2018'`\"]"
)
# Complaints about the candidate's own declarations.
OWN = re.compile(
    r"^function \"[^\"]+\" has already been defined|^[\u2018'`]?redefinition of|^redefinition of"
    r"|^variable \"\w+\" has already been defined|^\"\w+\" has already been declared in the current scope"
)
# Complaints about a call: certain where the candidate declares what it calls, with builtin types alone.
CALL = re.compile(
    r"^too (?:few|many) arguments in function call"
    r"|^argument of type \"(?P<given>[^\"]+)\"(?: \(aka \"(?P<given_as>[^\"]+)\"\))? is incompatible"
    r" with parameter of type \"(?P<wanted>[^\"]+)\"(?: \(aka \"(?P<wanted_as>[^\"]+)\"\))?$"
)
BUILTIN_TYPE = re.compile(
    r"(?:\b(?:const|volatile|unsigned|signed|char|short|int|long|float|double|bool|void|size_t|u?int(?:8|16|32|64)_t"
    r"|__restrict__)\b|[\s*&])+"
)
TORCH_WORDS = re.compile(
    r"\b(?:torch|at|c10|Tensor|scalar_t|Half|BFloat16|IntArrayRef|accessor|[A-Za-z]*PackedTensorAccessor\w*|auto)\b"
    r"|\b(?:AT|TORCH|C10|CHECK)_\w+|\btemplate\b|<<<"
)
DEVICE_FUNCTION = re.compile(r"\b__(?:global|device)__\b[^;{}()]*\b[A-Za-z_]\w*\s*\([^{};]*\)\s*\{")


def must_decline(spec: ExtensionSpec, prepared: Prepared) -> str | None:
    """Why the fast build must not take `spec` on, or None."""
    if spec.no_implicit_headers:
        return "no implicit headers"
    if not spec.is_python_module:
        return "not a Python module"
    if spec.extra_include_paths:
        return "include paths of its own"
    if not spec.builds_cuda():
        return "a build without CUDA"
    for flags, harmless in (
        (spec.extra_cflags, HARMLESS_FLAG),
        (spec.extra_cuda_cflags, HARMLESS_NVCC_FLAG),
        (spec.extra_ldflags, HARMLESS_LINK_FLAG),
    ):
        for flag in " ".join(flags).split():
            if not harmless.fullmatch(flag):
                return f"the flag {flag}"
    text = _own_text(spec)
    if re.search(r"kval|KVAL", text):
        return "a name of the shim's own"
    plain = without_comments(text)
    for found in FOREIGN_NAMESPACE.finditer(plain):
        if not re.search(r"using\s+$", plain[: found.start()]):
            return f"it adds to {found.group()}"
    if inner := re.search(r"\busing\s+namespace\s+(?:torch|at|c10)\s*::\s*\w+", plain):
        return inner.group()
    if re.search(r"##|\b__has_include\b|\bTORCH_VERSION\w*", plain):
        return "text that the preprocessor would make"
    known = prepared.vocabulary
    for name in DIRECTIVE.findall(plain):
        if name[0] in ("if", "elif", "include_next", "import", "undef"):
            return f"the directive #{name[0]} {name[1]}".rstrip()
        if name[0] == "pragma" and name[1] not in HARMLESS_PRAGMAS:
            return f"the directive #pragma {name[1]}".rstrip()
        if name[0] in ("ifdef", "ifndef", "define") and (name[1] in known.macros or name[1] in known.late):
            return f"the directive #{name[0]} {name[1]}"
        if name[0] == "define" and name[1] in known.words and _torch_header_after(plain, name[1]):
            return f"the directive #define {name[1]} before a header of torch's"
    words = frozenset(WORD.findall(plain))
    for kind, names in (("macro", prepared.vocabulary.macros), ("name", prepared.vocabulary.globals)):
        shared = words & names
        if shared:
            return f"the {kind} {min(shared)}, which torch's headers have and the shim has not"
    called = frozenset(CALLED.findall(plain)) & prepared.vocabulary.functions
    if called:
        return f"the function {min(called)}, which torch's headers have and the shim has not"
    return None


def judge(
    spec: ExtensionSpec,
    toolchain: Toolchain,
    steps: Sequence[Step],
    diagnostics: Sequence[Diagnostic],
    prepared: Prepared,
) -> CompileError | str:
    """The failure as a verdict, where some complaint is one that torch's own headers must give too; else why not."""
    errors = [one for one in diagnostics if one.severity == "error"]
    sources = {source.label: source for source in spec.files()}
    for place, one in enumerate(errors):
        first = all(before.tool != one.tool for before in errors[:place])
        if _certain(one, first, spec, sources, toolchain, prepared):
            stage = _stage(one, sources)
            own = tuple(error for error in errors if _stage(error, sources) == stage)
            return CompileError(stage, summary(own, ""), own)
    said = errors[0] if errors else None
    if said is None:
        return "a compiler failed without a word: " + steps[-1].output.strip()[-200:]
    return f"{said.file}{f':{said.line}' if said.line else ''}: {said.message}"


def _torch_header_after(text: str, name: str) -> bool:
    """Whether a header of torch's is read with `name` defined."""
    place = re.search(rf"#[ \t]*define[ \t]+{name}\b", text)
    return place is not None and re.search(r"#[ \t]*include", text[place.end() :]) is not None


def _own_text(spec: ExtensionSpec) -> str:
    """All that the candidate wrote; where torch wrote the file's first and last lines, without them."""
    if spec.kind == "load":
        return "\n".join([*(text for _, text in spec.sources), *(text for _, text in spec.headers)])
    return "\n".join([*spec.cpp_sources, *spec.cuda_sources, *(text for _, text in spec.headers)])


def _stage(one: Diagnostic, sources: dict[str, SourceFile]) -> Literal["nvcc", "g++", "link"]:
    """The step that complained; nvcc also speaks with the words of the g++ that it calls."""
    if one.tool == "ld":
        return "link"
    source = sources.get(one.file)
    if source is not None:
        return "nvcc" if is_cuda_file(source.path) else "g++"
    return "g++" if one.tool == "g++" else "nvcc"


def _certain(
    one: Diagnostic,
    first: bool,
    spec: ExtensionSpec,
    sources: dict[str, SourceFile],
    toolchain: Toolchain,
    prepared: Prepared,
) -> bool:
    if one.tool == "ptxas":
        return True  # by then the whole file has been accepted; what is left is the device code itself
    if one.tool == "ld":
        return "multiple definition" in one.message or one.message.startswith("cannot find -l")
    source = sources.get(one.file)
    if source is None or one.line is None:
        return False
    if missing := MISSING_HEADER.match(one.message):
        return _nobody_has(missing.group(1) or missing.group(2), toolchain)
    if not _starting_headers_only(_own_text(spec)):
        return False
    if CUDA_TYPE.match(one.message):
        return True
    for pattern in UNDECLARED:
        if undeclared := pattern.match(one.message):
            return undeclared.group(1) not in prepared.vocabulary.words
    if first and OWN.match(one.message):
        return True
    text = without_comments(source.text)
    line = one.line + source.header_lines
    if (call := CALL.match(one.message)) and all(BUILTIN_TYPE.fullmatch(type_) for type_ in call.groups() if type_):
        return _calls_only_its_own(text, line, prepared)
    if SYNTAX.match(one.message):
        return first and _ordinary(text, line, prepared)
    return _in_plain_device_code(text, line, prepared)


def _nobody_has(header: str, toolchain: Toolchain) -> bool:
    cuda = toolchain.cuda_include
    places = [*toolchain.torch_includes, cuda, cuda / "cccl", toolchain.python_include]
    return not header.startswith("kval/") and not any((Path(place) / header).exists() for place in places)


def _starting_headers_only(text: str) -> bool:
    """Whether every header of torch's that the text includes is one whose words the vocabulary has."""
    return all(name in STARTING or not TORCH_HEADER.match(name) for name in INCLUDE_LINE.findall(text))


def _ordinary(text: str, line: int, prepared: Prepared) -> bool:
    """Whether the lines up to a syntax error use torch's names only where the shim has them too."""
    near = "\n".join(text.split("\n")[max(0, line - 3) : line])
    unknown = {word for word in WORD.findall(near) if word in prepared.vocabulary.functions}
    return not unknown and "AT_DISPATCH" not in near


def _calls_only_its_own(text: str, line: int, prepared: Prepared) -> bool:
    """Whether every function that the line calls is the candidate's own, declared without a type of torch's."""
    here = text.split("\n")[line - 1] if 0 < line <= text.count("\n") + 1 else ""
    called = {name for name, _ in LAUNCHED.findall(here)} | set(CALLED.findall(here)) - NOT_CALLS
    return bool(called) and all(_is_own(name, text) and name not in prepared.vocabulary.functions for name in called)


def _is_own(name: str, text: str) -> bool:
    declared = re.findall(rf"(?:^|[;}}])([^;{{}}()#]*?)\b{name}\s*\(([^{{}};]*?)\)\s*[{{;]", text, re.MULTILINE)
    whole = [f"{before} {parameters}" for before, parameters in declared if re.search(r"\w[\s*&]+$", before)]
    return bool(whole) and not any(TORCH_WORDS.search(one) for one in whole)


def _in_plain_device_code(text: str, line: int, prepared: Prepared) -> bool:
    """Whether `line` lies in a `__global__` or `__device__` function that has nothing to do with torch."""
    for match in DEVICE_FUNCTION.finditer(text):
        end = _closing(text, match.end())
        begin_line, end_line = text.count("\n", 0, match.start()) + 1, text.count("\n", 0, end) + 1
        if begin_line <= line <= end_line:
            before = text[: match.start()].rstrip()
            return not TORCH_WORDS.search(text[match.start() : end]) and not before.endswith(">")
    return False


def _closing(text: str, start: int) -> int:
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place + 1
    return len(text)

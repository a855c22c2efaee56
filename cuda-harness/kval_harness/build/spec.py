"""What a candidate asked torch to build: the arguments of one `load_inline` or `load` call, normalised.

The recorders that stand in for torch's two functions turn each call into an `ExtensionSpec`, raising what torch 2.11
raises for arguments that it does not take. The spec is all that the builders see; it travels as JSON and has a
canonical hash, so the same call is the same build wherever and whenever it is made.
"""

# Torch's two functions take anything and treat paths as text; this file does what they do.
# ruff: noqa: ANN401, PTH100, PTH112, PTH113, PTH117, PTH118, PTH120, PTH122, PTH123, PTH202, PTH208

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

CPP_IMPLICIT_HEADERS = ("#include <torch/extension.h>",)
CUDA_IMPLICIT_HEADERS = ("#include <torch/types.h>", "#include <cuda.h>", "#include <cuda_runtime.h>")
CUDA_SUFFIXES = (".cu", ".cuh")
HEADER_SUFFIXES = (".h", ".hh", ".hpp", ".hxx", ".cuh", ".inc", ".inl")
MAX_HEADER_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class ExtensionSpec:
    """One extension to build.

    `name` is the module's name as torch would build it (`name_v1` when a process asks for the same name again with
    other sources). `sources` are the compiled files of `load` and `headers` the files beside them, both as
    (path relative to the build folder, text). `functions` are (name, docstring) pairs, or None where the candidate
    gave none and brings its own bindings. `extra_include_paths` that lie in the candidate's own folder are relative
    to the build folder; all others are absolute.
    """

    kind: Literal["load_inline", "load"]
    name: str
    cpp_sources: tuple[str, ...] = ()
    cuda_sources: tuple[str, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    functions: tuple[tuple[str, str], ...] | None = None
    extra_cflags: tuple[str, ...] = ()
    extra_cuda_cflags: tuple[str, ...] = ()
    extra_ldflags: tuple[str, ...] = ()
    extra_include_paths: tuple[str, ...] = ()
    with_cuda: bool | None = None
    no_implicit_headers: bool = False
    with_pytorch_error_handling: bool = True
    use_pch: bool = False
    is_python_module: bool = True

    def files(self) -> tuple[SourceFile, ...]:
        """The files that torch would compile, in torch's order, with the text that torch would write into them."""
        if self.kind == "load":
            return tuple(SourceFile(name, text, Path(name).name, 0, None) for name, text in self.sources)
        main = [*self._implicit(CPP_IMPLICIT_HEADERS), *self.cpp_sources, *self.binding_lines()]
        files = [_inline_file("main.cpp", main, "cpp_sources", self._implicit(CPP_IMPLICIT_HEADERS), self.cpp_sources)]
        if self.cuda_sources:
            cuda = [*self._implicit(CUDA_IMPLICIT_HEADERS), *self.cuda_sources]
            implicit = self._implicit(CUDA_IMPLICIT_HEADERS)
            files.append(_inline_file("cuda.cu", cuda, "cuda_sources", implicit, self.cuda_sources))
        return tuple(files)

    def binding_lines(self) -> tuple[str, ...]:
        """The pybind11 lines that torch appends to `main.cpp` for `functions`; empty where none were given."""
        if self.functions is None:
            return ()
        wrap = "torch::wrap_pybind_function({0})" if self.with_pytorch_error_handling else "{0}"
        defs = [f'm.def("{name}", {wrap.format(name)}, "{doc}");' for name, doc in self.functions]
        return ("PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {", *defs, "}")

    def builds_cuda(self) -> bool:
        """Whether torch adds CUDA's headers, libraries and compiler to this build."""
        if self.with_cuda is not None:
            return self.with_cuda
        return any(is_cuda_file(file.path) for file in self.files())

    def to_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @staticmethod
    def from_json(data: dict[str, Any]) -> ExtensionSpec:
        """Read what `to_json` wrote.

        Raises:
            ValueError: a field is missing, unknown or of another type.
        """
        known = set(ExtensionSpec.__dataclass_fields__)
        if set(data) != known:
            raise ValueError(f"not an extension spec: fields {sorted(set(data) ^ known)} are missing or unknown")
        if data["kind"] not in ("load_inline", "load") or not isinstance(data["name"], str):
            raise ValueError("not an extension spec: kind or name is wrong")
        functions = data["functions"]
        return ExtensionSpec(
            kind=data["kind"],
            name=data["name"],
            cpp_sources=_strings(data, "cpp_sources"),
            cuda_sources=_strings(data, "cuda_sources"),
            sources=_files(data["sources"], "sources"),
            headers=_files(data["headers"], "headers"),
            functions=None if functions is None else _pairs(functions, "functions"),
            extra_cflags=_strings(data, "extra_cflags"),
            extra_cuda_cflags=_strings(data, "extra_cuda_cflags"),
            extra_ldflags=_strings(data, "extra_ldflags"),
            extra_include_paths=_strings(data, "extra_include_paths"),
            with_cuda=None if data["with_cuda"] is None else bool(data["with_cuda"]),
            no_implicit_headers=bool(data["no_implicit_headers"]),
            with_pytorch_error_handling=bool(data["with_pytorch_error_handling"]),
            use_pch=bool(data["use_pch"]),
            is_python_module=bool(data["is_python_module"]),
        )

    def hash(self) -> str:
        """SHA-256 (hex) of everything that can change the build; `use_pch` cannot."""
        data = self.to_json()
        del data["use_pch"]
        return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def _implicit(self, headers: tuple[str, ...]) -> tuple[str, ...]:
        return () if self.no_implicit_headers else headers


@dataclass(frozen=True)
class SourceFile:
    """A file to compile. The candidate's own lines follow the first `header_lines`; there are `own_lines` of them
    (None: all the rest), known as `label`."""

    path: str
    text: str
    label: str
    header_lines: int
    own_lines: int | None

    def own_line(self, line: int) -> int | None:
        """The candidate's own line number for a line of the file, or None where torch wrote that line."""
        own = line - self.header_lines
        if own < 1 or (self.own_lines is not None and own > self.own_lines):
            return None
        return own


def is_cuda_file(path: str) -> bool:
    return os.path.splitext(path)[1] in CUDA_SUFFIXES


def load_inline_spec(
    name: Any,
    cpp_sources: Any,
    cuda_sources: Any = None,
    sycl_sources: Any = None,
    functions: Any = None,
    extra_cflags: Any = None,
    extra_cuda_cflags: Any = None,
    extra_sycl_cflags: Any = None,
    extra_ldflags: Any = None,
    extra_include_paths: Any = None,
    build_directory: Any = None,
    verbose: Any = False,
    with_cuda: Any = None,
    with_sycl: Any = None,
    is_python_module: Any = True,
    with_pytorch_error_handling: Any = True,
    keep_intermediates: Any = True,
    use_pch: Any = False,
    no_implicit_headers: Any = False,
) -> ExtensionSpec:
    """The spec of `torch.utils.cpp_extension.load_inline(...)`: same parameters, same order, same complaints.

    Like torch it writes into the lists it is given: a candidate that passes one list to two calls gets the first
    call's includes and bindings in the second, as it would from torch.

    Raises:
        TypeError, ValueError, AttributeError: what torch raises for the same arguments.
    """
    os.path.join("", name)  # a name that is no string fails here with torch's own TypeError
    if isinstance(cpp_sources, str):
        cpp_sources = [cpp_sources]
    cuda_sources = cuda_sources or []
    if isinstance(cuda_sources, str):
        cuda_sources = [cuda_sources]
    if sycl_sources:
        raise FileNotFoundError(2, "No such file or directory", "icpx")
    own_cpp = tuple(cpp_sources) if isinstance(cpp_sources, (list, tuple)) else ()
    own_cuda = tuple(cuda_sources) if isinstance(cuda_sources, (list, tuple)) else ()
    if not no_implicit_headers:
        cpp_sources.insert(0, CPP_IMPLICIT_HEADERS[0])
    bindings = _function_docs(functions)
    spec = ExtensionSpec(
        kind="load_inline",
        name=name,
        cpp_sources=tuple(map(str, own_cpp)),
        cuda_sources=tuple(map(str, own_cuda)),
        functions=bindings,
        extra_cflags=_flags(extra_cflags),
        extra_cuda_cflags=_flags(extra_cuda_cflags),
        extra_ldflags=_ldflags(extra_ldflags),
        extra_include_paths=_include_paths(extra_include_paths, Path.cwd()),
        headers=_inline_headers(build_directory, extra_include_paths),
        with_cuda=None if with_cuda is None else bool(with_cuda),
        no_implicit_headers=bool(no_implicit_headers),
        with_pytorch_error_handling=bool(with_pytorch_error_handling),
        use_pch=use_pch is True,
        is_python_module=bool(is_python_module),
    )
    cpp_sources += list(spec.binding_lines())
    "\n".join(cpp_sources)
    if cuda_sources:
        if not no_implicit_headers:
            for place, header in enumerate(CUDA_IMPLICIT_HEADERS):
                cuda_sources.insert(place, header)
        "\n".join(cuda_sources)
    return spec


def load_spec(
    name: Any,
    sources: Any,
    extra_cflags: Any = None,
    extra_cuda_cflags: Any = None,
    extra_sycl_cflags: Any = None,
    extra_ldflags: Any = None,
    extra_include_paths: Any = None,
    build_directory: Any = None,
    verbose: Any = False,
    with_cuda: Any = None,
    with_sycl: Any = None,
    is_python_module: Any = True,
    is_standalone: Any = False,
    keep_intermediates: Any = True,
) -> ExtensionSpec:
    """The spec of `torch.utils.cpp_extension.load(...)`; reads the files that it names.

    Raises:
        OSError: a source file cannot be read (torch: FileNotFoundError).
        TypeError, ValueError, AttributeError: what torch raises for the same arguments.
    """
    os.path.join("", name)
    if is_standalone and is_python_module:
        raise ValueError("`is_python_module` and `is_standalone` are mutually exclusive.")
    if is_standalone:
        raise RuntimeError("standalone executables are no CUDA extension; load a module instead")
    paths = [sources] if isinstance(sources, str) else list(sources)
    if not paths:
        raise AssertionError("At least one source is required to build a library")
    root = _common_root([os.path.abspath(path) for path in paths], Path.cwd())
    texts = [(_inside(os.path.abspath(path), root), _read(path)) for path in paths]
    folders = sorted({os.path.dirname(os.path.abspath(path)) for path in paths})
    compiled = {name for name, _ in texts}
    headers = _headers_below([*folders, *(extra_include_paths or [])], root)
    return ExtensionSpec(
        kind="load",
        name=name,
        sources=tuple(texts),
        headers=tuple(pair for pair in headers if pair[0] not in compiled),
        extra_cflags=_flags(extra_cflags),
        extra_cuda_cflags=_flags(extra_cuda_cflags),
        extra_ldflags=_ldflags(extra_ldflags),
        extra_include_paths=_include_paths(extra_include_paths, root),
        with_cuda=None if with_cuda is None else bool(with_cuda),
        is_python_module=bool(is_python_module),
    )


def _inline_file(
    path: str, pieces: list[str], label: str, implicit: tuple[str, ...], own: tuple[str, ...]
) -> SourceFile:
    own_lines = "\n".join(own).count("\n") + 1 if own else 0
    return SourceFile(path, "\n".join(pieces), label, len(implicit), own_lines)


def _function_docs(functions: Any) -> tuple[tuple[str, str], ...] | None:
    if functions is None:
        return None
    if isinstance(functions, str):
        functions = [functions]
    if isinstance(functions, list):
        functions = {function: function for function in functions}
    elif not isinstance(functions, dict):
        raise ValueError(f"Expected 'functions' to be a list or dict, but was {type(functions)}")
    return tuple((f"{function}", f"{doc}") for function, doc in functions.items())


def _flags(flags: Any) -> tuple[str, ...]:
    """Torch iterates whatever it gets: a string of flags becomes one flag a character, and the compiler says no."""
    return tuple([flag.strip() for flag in (flags or [])])


def _ldflags(flags: Any) -> tuple[str, ...]:
    flags = flags or []
    if not isinstance(flags, list):
        raise AttributeError(f"'{type(flags).__name__}' object has no attribute 'append'")
    return _flags(flags)


def _include_paths(paths: Any, root: Path) -> tuple[str, ...]:
    return tuple([_inside(os.path.abspath(path.strip()), root) for path in (paths or [])])


def _inside(path: str, root: Path) -> str:
    """`path` relative to `root` where it lies below it, else as it is."""
    real_root = os.path.realpath(root)
    for base, place in ((str(root), path), (real_root, os.path.realpath(path))):
        if place == base:
            return "."
        if place.startswith(base.rstrip("/") + "/"):
            return os.path.relpath(place, base)
    return path


def _common_root(paths: list[str], folder: Path) -> Path:
    """The candidate's own folder where every file lies in it, else the folder that the files share."""
    if all(not os.path.isabs(_inside(path, folder)) for path in paths):
        return folder
    return Path(os.path.commonpath([os.path.dirname(path) for path in paths]))


def _inline_headers(build_directory: Any, extra_include_paths: Any) -> tuple[tuple[str, str], ...]:
    """What `main.cpp` and `cuda.cu` can include by a path of the candidate's own."""
    found = dict(_headers_below(extra_include_paths or [], Path.cwd()))
    if build_directory and not os.path.isabs(_inside(os.path.abspath(build_directory), Path.cwd())):
        found.update(_headers_below([build_directory], Path(os.path.abspath(build_directory))))
    return tuple(sorted(found.items()))


def _headers_below(folders: Any, root: Path) -> tuple[tuple[str, str], ...]:
    """Header files that the candidate wrote into folders of its own, up to 4 MiB together."""
    found: dict[str, str] = {}
    size = 0
    for folder in folders:
        top = os.path.abspath(str(folder))
        if os.path.isabs(_inside(top, root)) or not os.path.isdir(top):
            continue
        for entry in sorted(os.listdir(top)):
            path = os.path.join(top, entry)
            if not entry.endswith(HEADER_SUFFIXES) or not os.path.isfile(path):
                continue
            size += os.path.getsize(path)
            if size > MAX_HEADER_BYTES:
                return tuple(sorted(found.items()))
            found[_inside(path, root)] = _read(path)
    return tuple(sorted(found.items()))


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _strings(data: dict[str, Any], field: str) -> tuple[str, ...]:
    values = data[field]
    if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"not an extension spec: {field} is no list of strings")
    return tuple(values)


def _files(values: Any, field: str) -> tuple[tuple[str, str], ...]:
    """Named texts whose names stay inside the folder that they are written to."""
    files = _pairs(values, field)
    for name, _ in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.name or "\0" in name:
            raise ValueError(f"not an extension spec: {field} names a file outside its folder: {name!r}")
    return files


def _pairs(values: Any, field: str) -> tuple[tuple[str, str], ...]:
    pairs = [tuple(pair) for pair in values]
    if not all(len(pair) == 2 and all(isinstance(part, str) for part in pair) for pair in pairs):
        raise ValueError(f"not an extension spec: {field} is no list of pairs of strings")
    return tuple((pair[0], pair[1]) for pair in pairs)


# Python names the function in its complaints about arguments; they shall name torch's.
load_inline_spec.__qualname__ = "load_inline"
load_spec.__qualname__ = "load"

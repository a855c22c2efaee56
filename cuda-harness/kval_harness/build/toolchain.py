"""The compilers and headers that this machine builds extensions with, found once and described to everybody.

nvcc may come from a CUDA toolkit or from NVIDIA's wheels beside torch. Wheels have no toolkit layout (no `lib64`, no
`libcudart.so`, cuDNN elsewhere), so a `cuda_home` folder of symlinks that has one is put together in the cache.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kval_harness.outcome import InstrumentError

DEFAULT_ARCH = "sm_90"
HOW_TO_GET_NVCC = "install NVIDIA's wheels (nvidia-cuda-nvcc) beside torch, or set KVAL_NVCC to an nvcc"


@dataclass(frozen=True)
class Toolchain:
    """Everything outside a spec that decides what a build gives. Paths are absolute; `arch` is like `sm_90`."""

    nvcc: Path
    nvcc_version: str
    cuda_home: Path
    cxx: str
    cxx_version: str
    torch_version: str
    torch_cuda: str
    torch_root: Path
    python_include: Path
    python_version: str
    arch: str

    @property
    def torch_includes(self) -> tuple[Path, ...]:
        """Torch's own include folders, in torch's order."""
        include = self.torch_root / "include"
        return (include, include / "torch" / "csrc" / "api" / "include")

    @property
    def torch_lib(self) -> Path:
        return self.torch_root / "lib"

    @property
    def cuda_include(self) -> Path:
        return self.cuda_home / "include"

    @property
    def cuda_lib(self) -> Path:
        """Torch prefers `lib64` and takes `lib` where there is no `lib64`."""
        lib64 = self.cuda_home / "lib64"
        return lib64 if lib64.exists() or not (self.cuda_home / "lib").exists() else self.cuda_home / "lib"

    def identity(self) -> dict[str, str]:
        """What a cached build depends on besides its spec: versions, not places."""
        return {
            "nvcc": self.nvcc_version,
            "cxx": self.cxx_version,
            "torch": self.torch_version,
            "cuda": self.torch_cuda,
            "python": self.python_version,
            "arch": self.arch,
        }

    def environment(self, folder: Path) -> dict[str, str]:
        """The environment of a compiler that works in `folder`: nothing of ours but the way to the tools."""
        return {
            "PATH": os.pathsep.join([str(self.cuda_home / "bin"), "/usr/local/bin", "/usr/bin", "/bin"]),
            "LC_ALL": "C",
            "TMPDIR": str(folder),
            "HOME": str(folder),
        }


def find_toolchain(cache_folder: Path, arch: str | None = None) -> Toolchain:
    """The toolchain for `arch` (`sm_90` where nobody says). Puts a `cuda_home` into the cache where nvcc has none.

    Raises:
        InstrumentError: `toolchain-missing`, with what is missing and how to get it.
    """
    target = arch or DEFAULT_ARCH
    if not re.fullmatch(r"sm_[0-9]+[af]?", target):
        raise InstrumentError("bad-request", f"{target!r} is no GPU architecture; write it like sm_90", retry=False)
    facts = _facts()
    if facts.torch_cuda is None or facts.torch_root is None or facts.torch_version is None:
        missing = "torch with CUDA is not installed; install a CUDA build of torch"
        raise InstrumentError("toolchain-missing", missing, retry=False)
    if facts.nvcc is None or facts.nvcc_version is None:
        missing = f"no nvcc that fits torch's CUDA {facts.torch_cuda}: {facts.why_no_nvcc}"
        raise InstrumentError("toolchain-missing", missing, retry=False)
    if facts.cxx_version is None:
        missing = f"no C++ compiler: {facts.cxx!r} does not run; install g++ or set CXX"
        raise InstrumentError("toolchain-missing", missing, retry=False)
    return Toolchain(
        nvcc=_nvcc_in(_cuda_home(facts.nvcc, cache_folder)),
        nvcc_version=facts.nvcc_version,
        cuda_home=_cuda_home(facts.nvcc, cache_folder),
        cxx=facts.cxx,
        cxx_version=facts.cxx_version,
        torch_version=facts.torch_version,
        torch_cuda=facts.torch_cuda,
        torch_root=facts.torch_root,
        python_include=Path(sysconfig.get_path("include", scheme="posix_prefix")),
        python_version=".".join(map(str, sys.version_info[:3])),
        arch=target,
    )


def describe() -> dict[str, Any]:
    """What is here and what is missing, for `hello` and `kval doctor`. Never raises; writes nothing."""
    facts = _facts()
    return {
        "torch": facts.torch_version,
        "torchCuda": facts.torch_cuda,
        "nvcc": facts.nvcc_version,
        "nvccPath": None if facts.nvcc is None else str(facts.nvcc),
        "nvccMissing": facts.why_no_nvcc,
        "nvccFitsTorch": _fits(facts.nvcc_version, facts.torch_cuda),
        "cxx": facts.cxx,
        "gxx": facts.cxx_version,
    }


def arch_of_capability(major: int, minor: int) -> str:
    """`sm_90` for a device of compute capability 9.0."""
    return f"sm_{major}{minor}"


@dataclass(frozen=True)
class _Facts:
    torch_version: str | None
    torch_cuda: str | None
    torch_root: Path | None
    nvcc: Path | None
    nvcc_version: str | None
    why_no_nvcc: str | None
    cxx: str
    cxx_version: str | None


@functools.lru_cache(maxsize=1)
def _facts() -> _Facts:
    version, cuda, root = _torch()
    nvcc, nvcc_version, why = _find_nvcc(cuda)
    cxx = os.environ.get("CXX", "c++")
    return _Facts(version, cuda, root, nvcc, nvcc_version, why, cxx, _cxx_version(cxx))


def _torch() -> tuple[str | None, str | None, Path | None]:
    """Torch's version, CUDA and folder, without the seconds that importing it takes where nobody has yet."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None, None, None
    root = Path(spec.origin).parent
    source = root / "version.py"
    names: dict[str, Any] = {}
    if source.exists():
        text = source.read_text(encoding="utf-8")
        for name in ("__version__", "cuda"):
            match = re.search(rf"^{name}(?::[^=]*)? = '([^']*)'", text, re.MULTILINE)
            names[name] = match.group(1) if match else None
    return names.get("__version__"), names.get("cuda"), root


def _find_nvcc(torch_cuda: str | None) -> tuple[Path | None, str | None, str | None]:
    """The first nvcc of torch's major version, else nothing with the reason."""
    forced = os.environ.get("KVAL_NVCC")
    if forced:
        version = _nvcc_version(Path(forced))
        return (Path(forced), version, None) if version else (None, None, f"KVAL_NVCC={forced} does not run")
    seen = []
    for place in _nvcc_places():
        version = _nvcc_version(place) if place.exists() else None
        if version is None:
            continue
        if torch_cuda is None or _fits(version, torch_cuda):
            return place, version, None
        seen.append(f"{place} is {version}")
    found = f"found only: {'; '.join(seen)}" if seen else "none found"
    return None, None, f"{found}; {HOW_TO_GET_NVCC}"


def _nvcc_places() -> list[Path]:
    homes = (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"))
    places = [Path(home) / "bin" / "nvcc" for home in homes if home]
    on_path = shutil.which("nvcc")
    if on_path:
        places.append(Path(on_path).resolve())
    places.append(Path("/usr/local/cuda/bin/nvcc"))
    return [*places, *_wheel_nvccs()]


def _wheel_nvccs() -> list[Path]:
    """nvcc out of NVIDIA's wheels in this environment: `nvidia/cu13/bin` (CUDA 13), `nvidia/cuda_nvcc/bin` (12)."""
    roots = {Path(entry) / "nvidia" for entry in sys.path if entry}
    return sorted(found for root in roots for found in root.glob("*/bin/nvcc"))


def _nvcc_version(nvcc: Path) -> str | None:
    match = re.search(r"V([0-9]+\.[0-9]+\.[0-9]+)", _output([str(nvcc), "--version"]))
    return match.group(1) if match else None


def _cxx_version(cxx: str) -> str | None:
    lines = _output([cxx, "-dumpfullversion", "-dumpversion"]).split()
    return lines[0] if lines and re.fullmatch(r"[0-9.]+", lines[0]) else None


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _fits(nvcc_version: str | None, torch_cuda: str | None) -> bool | None:
    if nvcc_version is None or torch_cuda is None:
        return None
    return nvcc_version.split(".")[0] == torch_cuda.split(".")[0]


def _nvcc_in(cuda_home: Path) -> Path:
    return cuda_home / "bin" / "nvcc"


def _cuda_home(nvcc: Path, cache_folder: Path) -> Path:
    """The toolkit of `nvcc`: its own where it has a toolkit's layout, else symlinks in the cache that give it one."""
    home = nvcc.parent.parent
    if (home / "lib64" / "libcudart.so").exists() or not _is_wheel(home):
        return home
    version = _nvcc_version(nvcc) or "unknown"
    target = cache_folder.resolve() / "cuda" / f"{version}-{_place_hash(home)}"
    if not target.exists():
        _assemble(home, target)
    return target


def _is_wheel(home: Path) -> bool:
    return home.parent.name == "nvidia"


def _place_hash(home: Path) -> str:
    installed = ((wheel.name or "", wheel.version) for wheel in importlib.metadata.distributions())
    wheels = sorted(f"{name}={version}" for name, version in installed if name.startswith("nvidia-"))
    return hashlib.sha256("\n".join([str(home.resolve()), *wheels]).encode()).hexdigest()[:12]


def _assemble(home: Path, target: Path) -> None:
    """Build the folder beside its place and rename it there, so that nobody ever sees half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=target.parent))
    try:
        packages = [home, *sorted(p for p in home.parent.iterdir() if p.is_dir() and p != home)]
        _link_all(home / "bin", draft / "bin")
        if (home / "nvvm").exists():
            (draft / "nvvm").symlink_to(home / "nvvm")
        for package in packages:
            _link_all(package / "include", draft / "include")
            _link_all(package / "lib", draft / "lib64")
        for library in sorted((draft / "lib64").iterdir()):
            unversioned = re.match(r"(lib[^/]*?\.so)\.[0-9.]+$", library.name)
            if unversioned and not (draft / "lib64" / unversioned.group(1)).exists():
                (draft / "lib64" / unversioned.group(1)).symlink_to(library.name)
        (draft / "lib").symlink_to("lib64")
        try:
            draft.rename(target)
        except OSError:
            if not target.exists():  # somebody else was faster is fine; anything else is not
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _link_all(source: Path, target: Path) -> None:
    if not source.is_dir():
        return
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir()):
        place = target / entry.name
        if not place.exists():
            place.symlink_to(entry.resolve())

"""A view of the file system for one process: the system and Python read-only, what it was given, and nothing else.

The view is a new root, an empty file system in memory into which single folders are mounted from the old one, which
then goes away. So what nobody thought of is hidden, not shown: homes, stores, caches, sockets, other jobs.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import re
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

CLONE_NEWNS = 0x20000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
AT_RECURSIVE = 0x8000
MOUNT_SETATTR = 442
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "arm64": 41}

SCRATCH_BYTES = 256 * 1024 * 1024  # of /tmp, and of /dev/shm: memory
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store")
# Of /etc what the loader, the C library and Python want; the rest of it is the machine's own business.
SETTINGS = (
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "passwd", "group", "nsswitch.conf", "hosts"),
    *("localtime", "timezone", "os-release", "ssl/openssl.cnf", "ssl/certs"),
)
PYTHON = ("bin", "lib", "lib64", "include", "share", "nvvm", "targets", "pyvenv.cfg")
DEVICES = ("null", "zero", "full", "random", "urandom")
GPU_DEVICES = ("nvidia*", "dxg")
KERNEL_FACTS = ("/sys/devices/system",)
GPU_KERNEL_FACTS = ("/sys/devices", "/sys/bus", "/sys/class", "/sys/module", "/sys/dev")
PROCESS_FACTS = ("self", "thread-self", "cpuinfo", "meminfo", "stat", "version", "filesystems", "loadavg", "uptime")

_libc = ctypes.CDLL(None, use_errno=True)


def narrow_view(folder: Path, readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    """Gives this process a root of its own with `system_paths`, `readable`, and `folder` and `writable` to write in.

    Everything stays at its own path. `/tmp` and `/dev/shm` are private, empty and bounded. Needs the right to mount,
    so a user namespace of one's own, or root. Returns whether `/proc` is this process table's own.
    Raises OSError where the kernel refuses; the process is of no use then.
    """
    shown = _outermost([*system_paths(), *(path for one in readable for path in _names_of(one))])
    given = [path for one in (folder, *writable) for path in _names_of(one)]
    folder = folder.resolve()
    _unshare_mounts()
    _mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "size=4m,mode=755")
    old = Path("/old-root")
    (folder / old.name).mkdir()
    _pivot(folder, folder / old.name)
    os.chdir("/")
    for place in (Path("/tmp"), Path("/dev/shm")):
        place.mkdir(parents=True, exist_ok=True)
        _mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, f"size={SCRATCH_BYTES},nr_inodes=20000,mode=1777")
    for path in shown:
        _bind(old, path, MS_RDONLY | MS_NOSUID | MS_NODEV)
    for path in device_files(old):
        _bind(old, path, MS_NOSUID)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        Path("/dev", name).symlink_to(target)
    own = _mount_processes(old)
    for path in given:
        _bind(old, path, MS_NOSUID | MS_NODEV)
    _check(_libc.umount2(os.fsencode(old), MNT_DETACH), "the old root cannot be left")
    old.rmdir()
    _set_flags(Path("/"), MS_RDONLY | MS_NOSUID | MS_NODEV, recursive=False)
    return own


def own_processes() -> None:
    """`/proc` of this process table over the old one, in an otherwise unchanged view. Raises OSError."""
    _unshare_mounts()
    _mount("proc", Path("/proc"), "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "")


@functools.cache
def system_paths() -> tuple[Path, ...]:
    """What a Python process with torch reads: the system, this Python and its packages, the harness, the libraries."""
    candidates = [Path(one) for one in SYSTEM]
    candidates += [Path("/etc", name) for name in SETTINGS]
    # Parts of a prefix, never the whole: an environment may lie in the very folder that holds the store.
    candidates += [Path(prefix, part) for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix) for part in PYTHON]
    candidates += [Path(one) for one in sys.path if re.search(r"/(?:site|dist)-packages$", one)]
    candidates += [Path(__file__).parent, Path(os.__file__).parent, *_mapped_files(), *_library_folders()]
    candidates += [Path(one) for one in (GPU_KERNEL_FACTS if device_files(gpu_only=True) else KERNEL_FACTS)]
    return tuple(_outermost(path for one in candidates for path in _names_of(one)))


def device_files(root: Path = Path("/"), *, gpu_only: bool = False) -> list[Path]:
    """The device files that a child may open: the harmless ones, and the GPUs'."""
    devices = root / "dev"
    found = [] if gpu_only else [devices / name for name in DEVICES]
    found += [path for pattern in GPU_DEVICES for path in sorted(devices.glob(pattern))]
    return [Path("/", path.relative_to(root)) for path in found]


def process_files() -> list[Path]:
    """What Landlock leaves of `/proc` where there is no process table of one's own."""
    return [Path("/proc", name) for name in PROCESS_FACTS] + [Path("/proc/driver/nvidia"), Path("/proc/devices")]


def _mapped_files() -> list[Path]:
    """The libraries of this process, wherever they were loaded from."""
    mapped = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    return [Path(one) for one in sorted(set(re.findall(r"(/\S+\.so[.\d]*)$", mapped, re.MULTILINE)))]


def _library_folders() -> list[Path]:
    """LD_LIBRARY_PATH, without a folder that is somebody's home or contains one."""
    home = Path.home().resolve()
    folders = [Path(one) for one in os.environ.get("LD_LIBRARY_PATH", "").split(":") if one.startswith("/")]
    return [one for one in folders if one.resolve() not in (home, *home.parents)]


def _names_of(path: Path) -> Iterator[Path]:
    """The path as it is written and as it really is: both may be asked for."""
    path = Path(os.path.abspath(path))  # noqa: PTH100  (resolve would follow links, which is the other name)
    if path.exists():
        yield path
        if path.resolve() != path:
            yield path.resolve()


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """Without what lies in another of them; parents first."""
    kept: list[Path] = []
    for path in sorted(set(paths), key=lambda one: (len(one.parts), one)):
        if not any(path.is_relative_to(one) for one in kept):
            kept.append(path)
    return kept


def _unshare_mounts() -> None:
    _check(_libc.unshare(CLONE_NEWNS), "no mount namespace")
    _mount("none", Path("/"), "", MS_REC | MS_PRIVATE, "")


def _mount_processes(old: Path) -> bool:
    """A container that hides parts of its `/proc` may not make another; then the old one has to do."""
    Path("/proc").mkdir()
    with suppress(OSError):
        _mount("proc", Path("/proc"), "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "")
        return True
    _bind(old, Path("/proc"), MS_RDONLY | MS_NOSUID | MS_NODEV)
    return False


def _bind(old: Path, path: Path, flags: int) -> None:
    """Mounts the old root's `path` at `path`; links on the way are followed in the old root, by the kernel's rules."""
    source = old / _inside(old, path).relative_to("/")
    if source.is_dir():
        path.mkdir(parents=True, exist_ok=True)
    elif not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    _mount(str(source), path, "", MS_BIND | MS_REC, "")
    _set_flags(path, flags, recursive=True)


def _inside(root: Path, path: Path) -> Path:
    """`path` with every link resolved as a process with the root `root` would."""
    done, left = Path("/"), list(path.parts[1:])
    for _ in range(400):
        if not left:
            return done
        step = left.pop(0)
        here = root / done.relative_to("/") / step
        if step == "..":
            done = done.parent
        elif here.is_symlink():
            target = here.readlink()
            left = [*(target.parts[1:] if target.is_absolute() else target.parts), *left]
            done = Path("/") if target.is_absolute() else done
        else:
            done = done / step
    raise OSError(f"too many links in {path}")


def _mount(source: str, target: Path, kind: str, flags: int, options: str) -> None:
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), options.encode() or None
    )
    _check(result, f"{source} cannot be mounted at {target}")


def _set_flags(target: Path, flags: int, *, recursive: bool) -> None:
    # The four flags have the same values here as in mount(2).
    wanted = struct.pack("QQQQ", flags, 0, 0, 0)
    how = ctypes.c_uint(AT_RECURSIVE if recursive else 0)
    result = _libc.syscall(MOUNT_SETATTR, -100, os.fsencode(target), how, wanted, ctypes.c_size_t(len(wanted)))
    _check(result, f"{target} cannot be made read-only")


def _pivot(new: Path, old: Path) -> None:
    number = PIVOT_ROOT.get(platform.machine())
    if number is None:
        raise OSError(f"pivot_root is unknown on {platform.machine()}")
    _check(_libc.syscall(number, os.fsencode(new), os.fsencode(old)), "the root cannot be changed")


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")

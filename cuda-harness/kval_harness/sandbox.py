"""The fences round a contained child: which of them this machine has, and how a process puts them round itself.

A user namespace (no right over anything outside), a network and an IPC namespace (nobody to talk to), a process table
of its own, a view of the file system of its own, Landlock, and a filter on system calls. Each is tried once; what is
in force is said, and who asks for all of them gets all or an error.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import struct
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kval_harness.landlock import landlock_abi, restrict_files, restrict_signals_and_tcp
from kval_harness.seccomp import restrict_calls
from kval_harness.view import device_files, narrow_view, own_processes, process_files, system_paths

Sandbox = Literal["required", "best-effort", "off"]

PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
PR_CAPBSET_DROP = 24
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CAPSET = {"x86_64": 126, "aarch64": 91, "arm64": 91}
LANDLOCK_FOR_SIGNALS = 6

HOW_TO_GET = {
    "userNamespaces": "allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1, "
    "kernel.apparmor_restrict_unprivileged_userns=0; in Docker --security-opt seccomp=unconfined "
    "--security-opt apparmor=unconfined)",
    "networkNamespaces": "allow network namespaces (sysctl user.max_net_namespaces)",
    "mountNamespaces": "allow mounts in a user namespace (Linux 5.12 or newer; sysctl user.max_mnt_namespaces; "
    "no chroot)",
    "pidNamespaces": "allow a /proc of its own (sysctl user.max_pid_namespaces; in Docker "
    "--security-opt systempaths=unconfined)",
    "seccomp": "a kernel with CONFIG_SECCOMP_FILTER, on x86-64 or aarch64",
}

_libc = ctypes.CDLL(None, use_errno=True)


class SandboxMissing(Exception):
    """A fence that was asked for is not to be had here; the message names it and how to get it. Nothing ran."""


@dataclass(frozen=True)
class Fences:
    """What of the file system a child is given beside its own folder, the system's libraries and Python's packages.

    `readable`: files and folders that it may read; those that do not exist are left out. `writable`: folders that
    exist, in which it may write as well. Everything else is not there for it.
    """

    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()


@functools.cache
def isolation() -> dict[str, bool]:
    """Which of the fences this machine can put up: each tried once, in children that are thrown away."""
    system_paths()  # found once, here, for all the children to come
    user = _works(_own_user)
    root = os.geteuid() == 0

    def with_rights(trial: Callable[[], None]) -> bool:
        def both() -> None:
            if user:
                _own_user()
            trial()

        return (user or root) and _works(both)

    with tempfile.TemporaryDirectory(prefix="kval-view-") as name:
        view = with_rights(lambda: _try_view(Path(name)))
    return {
        "userNamespaces": user,
        "networkNamespaces": with_rights(_own_network),
        "mountNamespaces": view,
        "pidNamespaces": with_rights(_try_processes),
        "landlock": landlock_abi() > 0 and _works(lambda: restrict_files([Path("/usr")], [])),
        "seccomp": _works(lambda: restrict_calls(unix_sockets=False)),
        "subreaper": True,
    }


def require() -> None:
    """Raises SandboxMissing where less is to be had than `sandbox="required"` promises."""
    missing = lacking()
    if missing:
        advice = "; ".join(f"{name}: {how}" for name, how in missing.items())
        raise SandboxMissing(f"the sandbox is required, and this machine lacks {', '.join(missing)}. {advice}")


def lacking() -> dict[str, str]:
    """What this machine lacks for a whole sandbox, and how to get it: no network, no sight of other processes and
    files, no system calls beyond a program's needs. Namespaces and the filter give that; so does Landlock of Linux 6.12
    or newer with the filter."""
    there = isolation()
    if there["seccomp"] and there["landlock"] and landlock_abi() >= LANDLOCK_FOR_SIGNALS:
        return {}
    return {name: how for name, how in HOW_TO_GET.items() if not there[name]}


def enter_namespaces() -> bool:
    """The namespaces that are to be had, for this process; true where what it forks next will have a process table of
    its own and be the first in it. Raises OSError where one that worked before is refused now."""
    there = isolation()
    _libc.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0)
    if there["userNamespaces"]:
        _own_user()
    if there["networkNamespaces"]:
        _own_network()
    if there["pidNamespaces"]:
        _unshare(CLONE_NEWPID, "no process table")
    return there["pidNamespaces"]


def raise_fences(folder: Path, fences: Fences | None) -> None:
    """All else, round this process and all that it will start, for good. `fences` None: files as outside.

    Raises OSError where a fence that worked before is refused now.
    """
    there = isolation()
    narrowed = there["mountNamespaces"] and fences is not None
    own_table = there["pidNamespaces"]
    if fences is not None and narrowed:
        own_table = narrow_view(folder, fences.readable, fences.writable)
    elif own_table:
        own_processes()
    _give_up_rights()
    os.chdir(folder)
    if there["landlock"] and fences is not None:
        readable = list(Path("/").iterdir()) if narrowed else [*system_paths(), *fences.readable]
        processes = [Path("/proc")] if own_table else process_files()
        private = [Path("/tmp"), Path("/dev/shm")] if narrowed else []
        writable = [folder, *fences.writable, *device_files(), *private]
        restrict_files([*(one for one in readable if one != Path("/proc")), *processes], writable)
    elif there["landlock"]:
        restrict_signals_and_tcp()
    # A socket in the file system may be an administrator's (Docker's, say): only where there is none to see.
    if there["seccomp"]:
        restrict_calls(unix_sockets=narrowed or fences is None)


def _own_user() -> None:
    """A user namespace in which this user is the same one, with no right over any process or file outside.

    Without the rights that it has in there (see `_give_up_rights`), it cannot trace the harness or open its
    descriptors through /proc, also when both run as root.
    """
    user, group = os.getuid(), os.getgid()
    _libc.prctl(PR_SET_DUMPABLE, ctypes.c_ulong(1), 0, 0, 0)  # else /proc/self/uid_map belongs to root
    _unshare(CLONE_NEWUSER, "no user namespace")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")


def _own_network() -> None:
    _unshare(CLONE_NEWNET | CLONE_NEWIPC, "no network namespace")


def _give_up_rights() -> None:
    """Every capability, and the way back to them by starting a program as root."""
    for capability in range(64):
        _libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)
    number = CAPSET.get(os.uname().machine)
    if number is not None:
        _libc.syscall(number, struct.pack("Ii", 0x20080522, 0), struct.pack("6I", 0, 0, 0, 0, 0, 0))


def _unshare(what: int, otherwise: str) -> None:
    if _libc.unshare(what) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{otherwise}: {os.strerror(error)}")


def _try_view(folder: Path) -> None:
    narrow_view(folder, (), ())
    if Path("/old-root").exists() or not Path("/usr").is_dir():
        raise OSError("the view is not as it should be")


def _try_processes() -> None:
    _unshare(CLONE_NEWPID, "no process table")
    if not _works(own_processes):
        raise OSError("no /proc of its own")


def _works(trial: Callable[[], None]) -> bool:
    """Whether `trial` gets through in a child of its own."""
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            signal.alarm(30)
            trial()
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    return status == 0

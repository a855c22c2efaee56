"""The filter on system calls: a contained child computes, reads, writes and forks, and asks the kernel little else.

One BPF program, put together here, without a library. What is refused fails with EPERM, so that a program that only
tries goes on; calls of another architecture than the one that the program was made for end the process.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import socket
import struct
from collections.abc import Sequence

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
KILL, ALLOW = 0x80000000, 0x7FFF0000
REFUSE, UNKNOWN = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
NUMBER, ARCHITECTURE, ARGUMENT = 0, 4, 16  # where they stand in struct seccomp_data
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
X32 = 0x40000000
NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW* that clone can take: mounts, cgroup, uts, ipc, user, pid, network
TIOCSTI, TIOCLINUX = 0x5412, 0x541C

# By name: the number on x86-64, and on aarch64 (None: it has no such call).
REFUSED: dict[str, tuple[int, int | None]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    # namespaces, mounts and files without a path
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    # the kernel itself: what attacks it, and what it keeps for the administrator
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "acct": (163, 89),
    "syslog": (103, 116),
    "personality": (135, 92),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    # memory that no process's size shows
    "shmget": (29, 194),
    "msgget": (68, 186),
}
CALLS = {"socket": (41, 198), "clone": (56, 220), "clone3": (435, 435), "ioctl": (16, 29)}
ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1), "arm64": (0xC00000B7, 1)}

_libc = ctypes.CDLL(None, use_errno=True)


def restrict_calls(*, unix_sockets: bool) -> None:
    """Puts the filter on this process and all that it will start, for good. Raises OSError where the kernel takes none.

    No socket but AF_UNIX can be made; without `unix_sockets` not that either (pairs of sockets still can).
    """
    known = ARCHITECTURES.get(platform.machine())
    if known is None:
        raise OSError(errno.ENOSYS, f"no filter on system calls is written for {platform.machine()}")
    program = filter_program(*known, unix_sockets=unix_sockets)
    code = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code)))
    _libc.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0)
    if _libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), header, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel takes no filter on system calls")


def filter_program(audit: int, column: int, *, unix_sockets: bool) -> bytes:
    """The instructions for one architecture: `audit` is its AUDIT_ARCH, `column` its place in the tables above."""

    def number(name: str) -> int:
        found = CALLS[name][column]
        assert found is not None
        return found

    code = [_load(ARCHITECTURE), *_unless(EQUAL, audit, KILL), _load(NUMBER)]
    if column == 0:
        code += _when(AT_LEAST, X32, REFUSE)  # the same calls under other numbers
    for name in sorted(REFUSED):
        here = REFUSED[name][column]
        if here is not None:
            code += _when(EQUAL, here, REFUSE)
    code += _when(EQUAL, number("clone3"), UNKNOWN)  # its flags cannot be read here; the C library then uses clone
    family = [*_unless(EQUAL, socket.AF_UNIX, REFUSE)] if unix_sockets else [_return(REFUSE)]
    code += _on(number("socket"), [_load(ARGUMENT), *family, _return(ALLOW)])
    code += _on(number("clone"), [_load(ARGUMENT), *_when(ANY_BIT, NEW_NAMESPACES, REFUSE), _return(ALLOW)])
    typing = [*_when(EQUAL, TIOCSTI, REFUSE), *_when(EQUAL, TIOCLINUX, REFUSE)]
    code += _on(number("ioctl"), [_load(ARGUMENT + 8), *typing, _return(ALLOW)])
    return b"".join([*code, _return(ALLOW)])


def _on(number: int, then: Sequence[bytes]) -> list[bytes]:
    """`then`, which ends with a return, for one call; the call's number stays loaded for the others."""
    return [struct.pack("HBBI", EQUAL, 0, len(then), number), *then]


def _when(test: int, value: int, result: int) -> list[bytes]:
    return [struct.pack("HBBI", test, 0, 1, value), _return(result)]


def _unless(test: int, value: int, result: int) -> list[bytes]:
    return [struct.pack("HBBI", test, 1, 0, value), _return(result)]


def _load(offset: int) -> bytes:
    return struct.pack("HBBI", LOAD, 0, 0, offset)


def _return(result: int) -> bytes:
    return struct.pack("HBBI", RETURN, 0, 0, result)

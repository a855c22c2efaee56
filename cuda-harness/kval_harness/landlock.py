"""Landlock: a process gives up, for good and for all that it will start, the files that it was not given.

Needs no privilege and no namespace, so it is there where a container forbids those. Each version of the kernel's
interface (`abi`) adds something: 3 truncation, 4 TCP, 6 abstract sockets and signals to processes outside.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

CREATE, ADD_RULE, RESTRICT = 444, 445, 446  # the same on every architecture
PATH_BENEATH = 1
PR_SET_NO_NEW_PRIVS = 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE = 1 << 13, 1 << 14
READ = EXECUTE | READ_FILE | READ_DIR
EVERYTHING_ABI_1 = (1 << 13) - 1
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
TCP = 1 | 2  # bind and connect
OUTSIDE = 1 | 2  # abstract unix sockets and signals

_libc = ctypes.CDLL(None, use_errno=True)


def landlock_abi() -> int:
    """What the kernel's Landlock can do; 0 where there is none."""
    return max(0, int(_libc.syscall(CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1))))


def restrict_files(readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """From now on this process reads (and executes) beneath `readable`, changes things beneath `writable`, and sees no
    other file. Paths that do not exist are left out. Raises OSError where the kernel refuses."""
    _restrict(list(readable), list(writable), files=True)


def restrict_signals_and_tcp() -> None:
    """Leaves the files as they are. Raises OSError where the kernel refuses; does nothing below ABI 4."""
    if landlock_abi() >= 4:
        _restrict([], [], files=False)


def _restrict(readable: list[Path], writable: list[Path], *, files: bool) -> None:
    abi = landlock_abi()
    handled = EVERYTHING_ABI_1 | (REFER if abi >= 2 else 0) | (TRUNCATE if abi >= 3 else 0)
    handled = handled if files else 0
    asked = struct.pack("QQQ", handled, TCP, OUTSIDE)[: 24 if abi >= 6 else 16 if abi >= 4 else 8]
    rules = _call(CREATE, asked, ctypes.c_size_t(len(asked)), ctypes.c_uint(0))
    try:
        for path in readable:
            _allow(rules, path, READ & handled)
        for path in writable:
            _allow(rules, path, handled)
        _libc.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0)
        _call(RESTRICT, ctypes.c_int(rules), ctypes.c_uint(0))
    finally:
        os.close(rules)


def _allow(rules: int, path: Path, access: int) -> None:
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(place).st_mode):
                access &= ON_FILES
            rule = struct.pack("=Qi", access, place)
            _call(ADD_RULE, ctypes.c_int(rules), ctypes.c_int(PATH_BENEATH), rule, ctypes.c_uint(0))
        finally:
            os.close(place)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock: {os.strerror(error)}")
    return result

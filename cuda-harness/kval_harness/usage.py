"""What a living child uses, all of its processes together, and what it leaves on disk.

Limits of single processes and files (`setrlimit`) do not add up to a limit of the job: these are measured.
"""

from __future__ import annotations

import os
import re
import stat
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

SLOW_S = 0.25  # between two looks at what is costly to measure
STARVED_S = 10.0
STARVED_SHARE = 0.6
RESTING_THREADS = 16  # our own around a task, and those that libraries keep
FOLDER_DEPTH = 64
FOLDER_ENTRIES = 100_000


@dataclass
class Meter:
    """Measures the process `child` and all below it. `memory_bytes` counts beyond what the child was born with, which
    its parent, who measures, has as well. Memory of a file system, `/dev/shm` say, counts as disk."""

    child: int
    folders: tuple[Path, ...]
    memory_bytes: int | None
    processes: int | None
    disk_bytes: int
    _born_with: int = field(default_factory=lambda: _status(os.getpid()).resident)
    _looked: float = field(default_factory=time.monotonic)

    def excess(self) -> str | None:
        """What is beyond its limit, "memory: ..." and the like; None while nothing is."""
        brood = [self.child, *descendants(self.child)]
        tasks = [_status(one) for one in brood]
        if self.processes is not None and sum(one.threads for one in tasks) > self.processes:
            return f"processes: more than {self.processes}, threads counted"
        resident = sum(one.resident for one in tasks)
        slow = time.monotonic() - self._looked > SLOW_S
        if slow and self.memory_bytes is not None and resident > self.memory_bytes:
            # Pages that processes share were counted once for each: now exactly.
            exact = sum(_proportional(one) for one in brood)
            if exact > self.memory_bytes + self._born_with:
                self._looked = time.monotonic()
                return f"memory: more than {self.memory_bytes} bytes in all its processes"
        if slow:
            used = folder_bytes(self.folders, self.disk_bytes)
            used = None if used is None else used + sum(_nameless_bytes(one) for one in brood)
            self._looked = time.monotonic()
            if used is None or used > self.disk_bytes:
                return f"disk: more than {self.disk_bytes} bytes, or more than {FOLDER_ENTRIES} files"
        return None


def available_memory() -> int:
    """The bytes of memory that this machine has to give without swapping."""
    text = Path("/proc/meminfo").read_text()
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")


def starved(process: int, seconds: float) -> bool:
    """Whether a process and those below it, alive for so many seconds, mostly waited for processors that others had.

    Not where they wait for one another: with twice as many threads as processors a child can starve itself.
    """
    waits = []
    for one in [process, *descendants(process)]:
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                with suppress(OSError, IndexError, ValueError):
                    waits.append(int((task / "schedstat").read_text().split()[1]) / 1e9)
    few = len(waits) <= 2 * (os.cpu_count() or 1) + RESTING_THREADS
    return few and max(waits, default=0.0) > max(STARVED_S, STARVED_SHARE * seconds)


def children(process: int) -> list[int]:
    """The living (or unreaped) children of a process, by any of its threads."""
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):
                text = (thread / "children").read_text()
                found.extend(int(word) for word in text.split())
    return found


def descendants(process: int) -> list[int]:
    found = children(process)
    for one in found:  # grows while it is walked
        found.extend(children(one))
    return found


def folder_bytes(folders: tuple[Path, ...], limit: int) -> int | None:
    """The bytes that the folders take on disk; None for more than `limit`, or for too many files, or too deep ones."""
    total = entries = 0
    waiting = [(str(folder), 0) for folder in folders]
    while waiting:
        place, depth = waiting.pop()
        if depth > FOLDER_DEPTH:
            return None
        with suppress(OSError), os.scandir(place) as listing:  # it changes under our eyes, and may be forbidden
            for entry in listing:
                entries += 1
                with suppress(OSError):
                    about = entry.stat(follow_symlinks=False)
                    total += about.st_blocks * 512
                    if stat.S_ISDIR(about.st_mode):
                        waiting.append((entry.path, depth + 1))
                if total > limit or entries > FOLDER_ENTRIES:
                    return None
    return total


def remove(folder: Path) -> None:
    """Deletes a folder that an enemy filled: forbidden folders, and folders in folders to any depth, and no link
    followed. What cannot be deleted is left. Nobody may be writing there any more."""
    with suppress(OSError):
        if folder.is_symlink() or not folder.is_dir():
            folder.unlink()
            return
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        waiting.extend(_emptied(place, folder))
        if place != folder:
            with suppress(OSError):
                place.rmdir()
    with suppress(OSError):
        folder.rmdir()


def _emptied(place: Path, top: Path) -> list[Path]:
    """Deletes the files of `place` and returns its folders, brought up to `top` so that no path grows long."""
    folders: list[Path] = []
    with suppress(OSError):
        place.chmod(0o700)
        with os.scandir(place) as listing:
            entries = [(Path(entry.path), entry.is_dir(follow_symlinks=False)) for entry in listing]
        for path, is_folder in entries:
            with suppress(OSError):
                if not is_folder:
                    path.unlink()
                    continue
                path.chmod(0o700)
                folders.append(path if place == top else path.rename(top / os.urandom(8).hex()))
    return folders


@dataclass(frozen=True)
class _Task:
    threads: int
    resident: int


def _status(process: int) -> _Task:
    threads = resident = 0
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text(errors="replace").splitlines():
            name, _, rest = line.partition(":")
            if name == "Threads":
                threads = int(rest)
            elif name in ("RssAnon", "RssShmem"):
                resident += int(rest.split()[0]) * 1024
    return _Task(threads, resident)


def _proportional(process: int) -> int:
    """Its share of the memory that it has: a page of two processes counts half in each."""
    total = 0
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in ("Pss_Anon", "Pss_Shmem"):
                total += int(rest.split()[0]) * 1024
    return total


def _nameless_bytes(process: int) -> int:
    """Open files that no folder lists any more, or never did: deleted ones, and memory files."""
    total = 0
    with suppress(OSError), os.scandir(f"/proc/{process}/fd") as listing:
        for entry in listing:
            with suppress(OSError):
                about = entry.stat()
                if stat.S_ISREG(about.st_mode) and about.st_nlink == 0:
                    total += about.st_blocks * 512
    return total

"""Builds that were made before, found by what went into them.

An entry is a folder that appears whole, by renaming, and disappears whole. Readers hold a shared lock on the entry they
use, so pruning never takes it from under them; drafts of a killed writer are swept by whoever prunes next. Failures are
kept as well, since they are verdicts; time-outs and failures of the machine are not.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kval_harness.build.spec import ExtensionSpec
from kval_harness.build.steps import instrument_error
from kval_harness.build.toolchain import Toolchain

FORMAT = 2  # of keys and entries; a new one leaves the old entries to be pruned
LIBRARY = "library.so"
RECORD = "record.json"
PRUNE_EVERY = 32
PRUNE_TO = 0.9
STALE_DRAFT_S = 60.0


@dataclass(frozen=True)
class Entry:
    """A cached build: its record, and its library where there is one. Good while `BuildCache.use` holds it."""

    key: str
    record: dict[str, Any]
    library: Path | None


@dataclass(frozen=True)
class Contents:
    """What a cache holds. `oldest_s` is how long ago the least recently used entry was used."""

    entries: int
    libraries: int
    bytes: int
    oldest_s: float | None
    drafts: int


def cache_key(spec: ExtensionSpec, toolchain: Toolchain, path: str, version: str = "") -> str:
    """SHA-256 (hex) over the spec, the compilers, torch, the architecture, the build path and its `version`."""
    parts = [FORMAT, spec.hash(), toolchain.identity(), path, version]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class BuildCache:
    """A folder of builds, shared by any number of processes. `max_bytes` bounds it, within what is in use."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._entries = folder / "builds"
        self._drafts = folder / "drafts"
        self._max_bytes = max_bytes
        self._puts = 0

    @contextlib.contextmanager
    def use(self, key: str) -> Iterator[Entry | None]:
        """The entry of `key`, or None; it stays in place for the length of the block."""
        folder = self._place(key)
        with _locked(folder / RECORD, fcntl.LOCK_SH) as held:
            entry = self._read(key, folder) if held else None
            if entry is not None:
                with contextlib.suppress(OSError):
                    os.utime(folder / RECORD)
            yield entry
            return

    def put(self, key: str, record: dict[str, Any], library: Path | None) -> None:
        """Keeps a build. Who finds that another process was faster keeps the other's.

        Raises:
            InstrumentError: `disk-full`, or the folder cannot be written.
        """
        target = self._place(key)
        try:
            with self._draft() as draft:
                digest = None
                if library is not None:
                    shutil.copyfile(library, draft / LIBRARY)
                    digest = _digest(draft / LIBRARY)
                body = {"format": FORMAT, "key": key, "library": digest, "record": record}
                (draft / RECORD).write_text(json.dumps(body), encoding="utf-8")
                target.parent.mkdir(parents=True, exist_ok=True)
                (draft / "owner").unlink()
                try:
                    draft.rename(target)
                except OSError:
                    if not target.exists():
                        raise
        except OSError as error:
            raise instrument_error(error, f"the build cache {self._entries.parent} cannot be written") from error
        self._puts += 1
        if self._puts % PRUNE_EVERY == 1:
            self.prune()

    def prune(self, max_bytes: int | None = None) -> int:
        """Removes the least recently used entries until the cache is well within its bound. Returns bytes freed."""
        bound = self._max_bytes if max_bytes is None else max_bytes
        self._sweep_drafts()
        entries = sorted(self._listed(), key=lambda listed: listed[1])
        total = sum(size for _, _, size in entries)
        freed = 0
        if total <= bound:
            return 0
        for folder, _, size in entries:
            if total - freed <= bound * PRUNE_TO:
                break
            if self._remove(folder):
                freed += size
        return freed

    def clear(self) -> int:
        """Removes every entry that nobody uses. Returns bytes freed."""
        self._sweep_drafts()
        return sum(size for folder, _, size in list(self._listed()) if self._remove(folder))

    def show(self) -> Contents:
        entries = list(self._listed())
        drafts = len(list(self._drafts.iterdir())) if self._drafts.exists() else 0
        return Contents(
            entries=len(entries),
            libraries=sum((folder / LIBRARY).exists() for folder, _, _ in entries),
            bytes=sum(size for _, _, size in entries),
            oldest_s=max(0.0, time.time() - min(used for _, used, _ in entries)) if entries else None,
            drafts=drafts,
        )

    def _place(self, key: str) -> Path:
        return self._entries / key[:2] / key

    def _read(self, key: str, folder: Path) -> Entry | None:
        """The entry, if it is whole; a damaged one counts as absent and goes away."""
        try:
            body = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            whole = body["format"] == FORMAT and body["key"] == key and isinstance(body["record"], dict)
            if whole and body["library"] is not None:
                whole = _digest(folder / LIBRARY) == body["library"]
        except (OSError, ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            self._trash(folder)
            return None
        return Entry(key, body["record"], None if body["library"] is None else folder / LIBRARY)

    @contextlib.contextmanager
    def _draft(self) -> Iterator[Path]:
        """A folder of our own, locked while we live, so that a killed writer's can be told from a living one's."""
        self._drafts.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=self._drafts))
        draft.chmod(0o755)
        owner = (draft / "owner").open("w")
        try:
            fcntl.flock(owner, fcntl.LOCK_EX)
            yield draft
        finally:
            owner.close()
            shutil.rmtree(draft, ignore_errors=True)

    def _sweep_drafts(self) -> None:
        for draft in list(self._drafts.iterdir()) if self._drafts.exists() else []:
            with contextlib.suppress(OSError):
                if time.time() - draft.stat().st_mtime < STALE_DRAFT_S:
                    continue
                with _locked(draft / "owner", fcntl.LOCK_EX | fcntl.LOCK_NB) as dead:
                    if dead or not (draft / "owner").exists():
                        shutil.rmtree(draft, ignore_errors=True)

    def _listed(self) -> Iterator[tuple[Path, float, int]]:
        """(folder, last use, bytes) of every entry."""
        for shelf in self._entries.iterdir() if self._entries.exists() else []:
            for folder in shelf.iterdir():
                with contextlib.suppress(OSError):
                    used = (folder / RECORD).stat().st_mtime
                    yield folder, used, sum(file.stat().st_size for file in folder.iterdir())

    def _remove(self, folder: Path) -> bool:
        with _locked(folder / RECORD, fcntl.LOCK_EX | fcntl.LOCK_NB) as unused:
            if unused:
                self._trash(folder)
            return unused

    def _trash(self, folder: Path) -> None:
        """Out of sight in one step, then gone."""
        with contextlib.suppress(OSError):
            self._drafts.mkdir(parents=True, exist_ok=True)
            away = Path(tempfile.mkdtemp(dir=self._drafts)) / "gone"
            folder.rename(away)
            shutil.rmtree(away.parent, ignore_errors=True)


@contextlib.contextmanager
def _locked(file: Path, how: int) -> Iterator[bool]:
    """Whether the lock was had on a file that is still in its place."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, how)
            in_place = os.fstat(descriptor).st_ino == file.stat().st_ino
        except OSError:
            in_place = False
        yield in_place
    finally:
        os.close(descriptor)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()

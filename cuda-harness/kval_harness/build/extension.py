"""One extension from its spec to a library that loads: rules, cache, fast path, stock path, load check."""

from __future__ import annotations

import functools
import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kval_harness.build.cache import BuildCache, cache_key
from kval_harness.build.fast import fast_build
from kval_harness.build.load_check import Loaded, check_load
from kval_harness.build.record import Attempt, ExtensionBuild, attempt_from_json, attempt_json
from kval_harness.build.rules import check_rules
from kval_harness.build.shim.prepare import prepare, shim_hash
from kval_harness.build.spec import ExtensionSpec
from kval_harness.build.steps import instrument_error
from kval_harness.build.stock import library_name, stock_build
from kval_harness.build.toolchain import Toolchain
from kval_harness.contain import StopSignal
from kval_harness.outcome import InstrumentError, LoadError, Timeout
from kval_harness.protocol import BuildSettings

Route = Literal["fast", "stock"]


@dataclass(frozen=True)
class _Made:
    """An attempt with its load check, as it is cached."""

    attempt: Attempt
    cached: bool
    load_error: LoadError | None
    exports: tuple[str, ...]
    timeout: Timeout | None = None


def build_extension(
    spec: ExtensionSpec,
    toolchain: Toolchain,
    settings: BuildSettings,
    folder: Path,
    deadline: float,
    *,
    stop: StopSignal | None = None,
    progress: Callable[[str], None] | None = None,
) -> ExtensionBuild:
    """Builds `spec` in `folder` (a scratch folder that is the build's own) by `deadline` (of `time.monotonic`).

    A library comes back as a copy in `folder`, so nobody needs to hold the cache. `settings.path` "auto" tries the
    fast path first and lets the stock path decide whatever the fast one declines.

    Raises:
        InstrumentError: the machine failed, not the candidate.
        Interrupted: `stop` said so.
    """
    began = time.monotonic()
    broken = check_rules(spec)
    if broken is not None:
        diagnostics = getattr(broken, "diagnostics", ())
        path: Route = "stock" if settings.path == "stock" else "fast"
        key = cache_key(spec, toolchain, "rules")
        return ExtensionBuild(spec.name, path, False, key, _since(began), None, broken, diagnostics=diagnostics)
    builder = _Builder(spec, toolchain, settings, folder, deadline, stop, progress or (lambda message: None))
    declined = None
    if settings.path != "stock":
        made, key = builder.make("fast")
        declined = made.attempt.declined or _doubt(made.load_error)
        if declined is None or settings.path == "fast":
            return _finished(spec, "fast", key, made, began, None)
    made, key = builder.make("stock")
    return _finished(spec, "stock", key, made, began, declined)


def _doubt(error: LoadError | None) -> str | None:
    """A symbol of torch's that the fast build leaves undefined may be the shim's own fault."""
    torch_owned = ("at::", "c10::", "torch::", "kval_")
    missing = [symbol for symbol in (error.undefined_symbols if error else ()) if symbol.startswith(torch_owned)]
    return f"torch's symbol {missing[0]} stayed undefined" if missing else None


def prepare_fast(toolchain: Toolchain, settings: BuildSettings, stop: StopSignal | None = None) -> None:
    """Makes what the fast path needs once for an environment, where the cache has none (some 20 s)."""
    if settings.path != "stock":
        prepare(toolchain, settings.cache_folder, stop)


@dataclass(frozen=True)
class _Builder:
    spec: ExtensionSpec
    toolchain: Toolchain
    settings: BuildSettings
    folder: Path
    deadline: float
    stop: StopSignal | None
    progress: Callable[[str], None]

    def make(self, path: Route) -> tuple[_Made, str]:
        """The attempt by `path`, from the cache or new; new verdicts go into the cache."""
        version = _fast_version() if path == "fast" else ""
        key = cache_key(self.spec, self.toolchain, path, version)
        cache = BuildCache(self.settings.cache_folder, self.settings.cache_max_bytes)
        with cache.use(key) as entry:
            if entry is not None:
                try:
                    return self._restored(entry.record, entry.library), key
                except (KeyError, TypeError):
                    pass  # written by another version of this program: build again
        made = self._build(path)
        if made.timeout is None and not isinstance(made.attempt.failure, Timeout):
            cache.put(key, _record(made), made.attempt.library)
        return made, key

    def _restored(self, record: dict[str, object], library: Path | None) -> _Made:
        load_error = record["loadError"]
        exports = record["exports"]
        assert isinstance(exports, list)
        copied = None if library is None else self._copied(library)
        error = None
        if isinstance(load_error, dict):
            error = LoadError(load_error["message"], tuple(load_error["undefinedSymbols"]))
        return _Made(attempt_from_json(record["attempt"], copied), True, error, tuple(exports))

    def _build(self, path: Route) -> _Made:
        work = self.folder / path
        try:
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
        except OSError as error:
            raise instrument_error(error, f"the scratch folder {work} cannot be made") from error
        self.progress("fast build" if path == "fast" else "stock build")
        attempt = self._fast(work) if path == "fast" else self._stock(work)
        if attempt.library is None:
            return _Made(attempt, False, None, ())
        self.progress("load")
        checked = check_load(
            attempt.library,
            self.spec.name,
            is_python_module=self.spec.is_python_module,
            folder=self.folder / "load",
            environment=self.toolchain.environment(self.folder),
            stop=self.stop,
        )
        if isinstance(checked, Loaded):
            return _Made(attempt, False, None, checked.exports)
        if isinstance(checked, Timeout):
            return _Made(attempt, False, None, (), checked)
        return _Made(attempt, False, checked, ())

    def _stock(self, work: Path) -> Attempt:
        return stock_build(
            self.spec,
            self.toolchain,
            work,
            self.deadline,
            limit_ms=self.settings.build_timeout_ms,
            cache_folder=self.settings.cache_folder,
            stop=self.stop,
            progress=self.progress,
        )

    def _fast(self, work: Path) -> Attempt:
        return fast_build(
            self.spec,
            self.toolchain,
            work,
            self.deadline,
            limit_ms=self.settings.build_timeout_ms,
            cache_folder=self.settings.cache_folder,
            stop=self.stop,
            progress=self.progress,
        )

    def _copied(self, library: Path) -> Path:
        place = self.folder / "cached" / f"{library_name(self.spec.name)}.so"
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(library, place)
        except OSError as error:
            raise instrument_error(error, f"the scratch folder {self.folder} cannot be written") from error
        return place


def _finished(
    spec: ExtensionSpec, path: Route, key: str, made: _Made, began: float, declined: str | None
) -> ExtensionBuild:
    attempt = made.attempt
    failure = attempt.failure or made.load_error or made.timeout
    if failure is None and attempt.library is None:  # asked for the fast path alone, which does not apply
        message = f"the fast path does not apply: {attempt.declined}"
        raise InstrumentError("bad-request", f"{message}; ask for path auto or stock", retry=False)
    return ExtensionBuild(
        name=spec.name,
        path=path,
        cached=made.cached,
        key=key,
        duration_ms=_since(began),
        library=attempt.library if failure is None else None,
        failure=failure,
        fallback_reason=declined,
        steps=attempt.steps,
        kernels=attempt.kernels,
        diagnostics=attempt.diagnostics,
        exports=made.exports,
    )


@functools.cache
def _fast_version() -> str:
    """What the fast path's word depends on besides the toolchain: its headers and its own judgement."""
    own = b"".join((Path(__file__).parent / name).read_bytes() for name in ("fast.py", "trust.py"))
    return hashlib.sha256(shim_hash().encode() + own).hexdigest()


def _record(made: _Made) -> dict[str, object]:
    error = made.load_error
    return {
        "attempt": attempt_json(made.attempt),
        "exports": list(made.exports),
        "loadError": None
        if error is None
        else {"message": error.message, "undefinedSymbols": list(error.undefined_symbols)},
    }


def _since(began: float) -> float:
    return (time.monotonic() - began) * 1000

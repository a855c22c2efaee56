"""A candidate's built libraries, translated for the CPU: made by the parent, loaded in the candidate's process.

The library that the candidate loads is the one that nvcc made; beside it the software runtime is given the same
kernels as code for this machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kval_harness.build.cache import BuildCache
from kval_harness.build.candidate import Builder
from kval_harness.contain import Channel, Json, StopSignal
from kval_harness.outcome import InstrumentError


@dataclass
class Translations:
    """Each library is translated once. `limit_s` bounds all of them together."""

    builder: Builder
    cache: BuildCache
    folder: Path
    limit_s: float
    stop: StopSignal
    progress: Callable[[str], None]
    _made: dict[Path, Path | None] = field(default_factory=dict)

    def make(self) -> None:
        """Translates whatever has been built. Raises InstrumentError `unsupported`, naming the construct."""
        for build in self.builder.extensions:
            if build.library is not None:
                self._of(build.library, build.name)

    def serve(self, request: Json) -> Json:
        """Answers the candidate's process: its build calls, and where the translation of a library lies."""
        if not isinstance(request, dict) or request.get("call") != "translation":
            answer = self.builder.serve(request)
            self.make()
            return answer
        made = self._made.get(Path(str(request.get("library"))))
        return None if made is None else str(made)

    def _of(self, library: Path, name: str) -> None:
        from kval_harness.cpu_device.module import translate

        if library in self._made:
            return
        self.progress(f"translating {name} for the CPU")
        began = time.monotonic()
        folder = self.folder / str(len(self._made))
        folder.mkdir(parents=True, exist_ok=True)
        made = translate(
            library,
            folder,
            self.builder.toolchain,
            deadline=began + self.limit_s,
            cache=self.cache,
            stop=self.stop,
        )
        self.limit_s -= time.monotonic() - began
        if made.unsupported is not None:
            raise unsupported(f"{name}: {made.unsupported}")
        self._made[library] = made.library


def load_translation(channel: Channel, library: Path) -> None:
    """Hands the software runtime the kernels of a library that is about to be loaded. In the candidate's process."""
    from kval_harness.cpu_device import runtime

    made = channel.ask({"call": "translation", "library": str(library)})
    if isinstance(made, str):
        runtime.load_module(Path(made))


def unsupported(what: str) -> InstrumentError:
    message = f"the CPU device cannot run this candidate: {what}; judge it on a GPU (--device cuda)"
    return InstrumentError("unsupported", message, retry=False)

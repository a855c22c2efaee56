"""The requests that judge a candidate: build it, or build and execute it; and those about the build cache."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kval_harness.build.cache import BuildCache
from kval_harness.build.candidate import Builder, build_candidate, load_candidate
from kval_harness.build.record import BuildRecord
from kval_harness.contain import Json, StopSignal
from kval_harness.devices import Device
from kval_harness.execute import FAIR_MEMORY_BYTES, Job, execute
from kval_harness.outcome import Built, InstrumentError, to_json
from kval_harness.protocol import BuildParams, DeviceKind, ExecuteParams, Fields, build_params, execute_params
from kval_harness.translations import Translations, load_translation
from kval_harness.usage import available_memory

MEMORY_SHARE = 0.5  # of what is free when a job begins: another job, and the judge, need some as well


@dataclass(frozen=True)
class Stages:
    """What every stage needs: the environment that devices are found by, a way to be stopped, a way to be seen, how
    many threads one job may use on the CPU, and the devices of this worker."""

    environment: dict[str, str]
    stop: StopSignal
    progress: Callable[[str, str], None]
    threads: int | None = None
    devices: tuple[Device, ...] = ()

    def build(self, params: Fields) -> dict[str, Json]:
        asked = build_params(params)
        outcome, record = build_candidate(
            asked.candidate, asked.problem, asked.settings, asked.folder, builder=self._builder(asked), stop=self.stop
        )
        return {"outcome": to_json(outcome), "build": _json(record)}

    def execute(self, params: Fields, kinds: tuple[DeviceKind, ...]) -> dict[str, Json]:
        """A candidate that does not build is not run; one in bare CUDA has no `ModelNew` to run and stays `built`.

        `kinds`: the devices that this worker executes on.
        """
        asked = execute_params(params, kinds)
        builder = self._builder(asked.build)
        outcome, record = build_candidate(
            asked.build.candidate,
            asked.problem,
            asked.build.settings,
            asked.build.folder,
            builder=builder,
            stop=self.stop,
        )
        if not isinstance(outcome, Built) or asked.build.candidate.language == "cuda":
            return {"outcome": to_json(outcome), "build": _json(record), "execution": None}
        translations = self._translations(asked, builder) if asked.device.kind == "cpu" else None
        if translations is not None:
            translations.make()
        self.progress("execute", f"on {asked.device.kind}:{asked.device.index}")
        outcome, execution = execute(
            self._job(asked, builder, record, translations),
            stop=self.stop,
            report=lambda message: self.progress("execute", message),
        )
        return {"outcome": to_json(outcome), "build": _json(record), "execution": execution.to_json()}

    def cache(self, params: Fields) -> dict[str, Json]:
        """What the cache holds; with `maxBytes`, after pruning to it."""
        cache = self._cache(params)
        pruned = 0 if params.absent("maxBytes") else cache.prune(params.whole("maxBytes", at_least=0))
        contents = cache.show()
        return {
            "entries": contents.entries,
            "libraries": contents.libraries,
            "bytes": contents.bytes,
            "oldestMs": None if contents.oldest_s is None else contents.oldest_s * 1000,
            "drafts": contents.drafts,
            "pruned": pruned,
        }

    def clear_cache(self, params: Fields) -> dict[str, Json]:
        return {"removed": self._cache(params).clear()}

    def _cache(self, params: Fields) -> BuildCache:
        limit = 1 << 62 if params.absent("maxBytes") else params.whole("maxBytes", at_least=0)
        return BuildCache(params.folder("cacheFolder"), limit)

    def _builder(self, asked: BuildParams) -> Builder:
        return Builder(
            asked.settings, asked.folder, stop=self.stop, progress=lambda message: self.progress("build", message)
        )

    def _translations(self, asked: ExecuteParams, builder: Builder) -> Translations:
        settings = asked.build.settings
        return Translations(
            builder,
            BuildCache(settings.cache_folder, settings.cache_max_bytes),
            asked.build.folder / "translated",
            settings.build_timeout_ms / 1000,
            self.stop,
            lambda message: self.progress("build", message),
        )

    def _job(
        self, asked: ExecuteParams, builder: Builder, record: BuildRecord | None, translations: Translations | None
    ) -> Job:
        settings = asked.settings
        source, home = asked.build.candidate.source, _cuda_home(builder)
        translated = translations is not None
        return Job(
            source=asked.problem.source,
            small=asked.problem.small,
            device=asked.device,
            settings=settings,
            folder=asked.build.folder / "execute",
            load=load_candidate(source, home, load_translation) if translated else load_candidate(source, home),
            serve_load=builder.serve if translations is None else translations.serve,
            # A translated module holds the candidate's kernels and nobody else's.
            is_own_kernel=(lambda _: True) if translated else own_kernel_test(record),
            environment=self.environment,
            memory_bytes=min(FAIR_MEMORY_BYTES, int(MEMORY_SHARE * available_memory())),
            libraries=tuple(_made(asked.build.folder / one) for one in ("builds", "translated")),
            threads=self.threads if asked.device.kind == "cpu" else None,
            gpu=next((one.uuid for one in self.devices if (one.kind, one.index) == ("cuda", asked.device.index)), None)
            if asked.device.kind == "cuda"
            else None,
        )


def own_kernel_test(record: BuildRecord | None) -> Callable[[str], bool]:
    """Tells the kernels that the candidate's build made from torch's and the libraries', by their demangled names."""
    built = {_bare(kernel.name) for one in (record.extensions if record else ()) for kernel in one.kernels}
    return lambda name: _bare(name) in built


def _bare(name: str) -> str:
    """`void ns::kernel<float, 4>(float*, int)` as `ns::kernel`: profiler and ptxas write the rest differently."""
    name = re.sub(r"\(anonymous namespace\)::|<unnamed>::", "", name)
    head = re.split(r"[<(]", name, maxsplit=1)[0].strip()
    return head.split(" ")[-1]


def _cuda_home(builder: Builder) -> Path | None:
    try:
        return builder.toolchain.cuda_home
    except InstrumentError:  # nothing left to build needs it: the libraries are there
        return None


def _json(record: BuildRecord | None) -> dict[str, Json] | None:
    return None if record is None else record.to_json()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder

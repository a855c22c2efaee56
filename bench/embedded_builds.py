"""Builds the CUDA kernels of the corpora: more to learn `compiled` from, and how far published labels agree.

    python bench/embedded_builds.py [--limit N]

Fast builds alone (a few seconds a kernel); what they decline stays unknown. A line of `results/embedded-builds.jsonl`
is a kernel, named by its hash: `built`, the `stage` that failed, `ms`, and of what was built the `kernels` as a label's
build record has them, without names, and the `warnings` by tool and code. What is there is not built again. Never the
compilers' words: they quote other people's kernels.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "cuda-harness"))

from kval_harness.build.fast import fast_build  # noqa: E402
from kval_harness.build.load_check import check_load  # noqa: E402
from kval_harness.build.record import kernel_json  # noqa: E402
from kval_harness.build.rules import check_rules  # noqa: E402
from kval_harness.build.shim.prepare import prepare  # noqa: E402
from kval_harness.build.spec import ExtensionSpec  # noqa: E402
from kval_harness.build.toolchain import Toolchain, find_toolchain  # noqa: E402
from kval_harness.contain import Json  # noqa: E402
from kval_harness.outcome import LoadError  # noqa: E402

from build import CACHE, _probe  # noqa: E402
from corpora import corpora_folder, read_cuda_candidates, read_problems  # noqa: E402
from rows import append_row, read_rows  # noqa: E402
from scratch import scratch  # noqa: E402

MEASURED = ROOT / "bench" / "results" / "embedded-builds.jsonl"
LIMIT_S = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(description="build the corpora's kernels")
    parser.add_argument("--limit", type=int, default=None, help="how many kernels this run builds")
    options = parser.parse_args()
    toolchain = find_toolchain(CACHE)
    prepare(toolchain, CACHE)
    for count, (candidate, corpus, row, problem) in enumerate(_waiting(), 1):
        if options.limit is not None and count > options.limit:
            break
        append_row(MEASURED, {"candidate": candidate, "corpus": corpus, **_build(row["code"], problem, toolchain)})
        print(f"{count} {corpus} {candidate[:12]}", flush=True)


def _waiting() -> Iterator[tuple[str, str, dict[str, Any], str | None]]:
    """Kernels that are not built yet: those judged by their publisher first, and of them the few that are said not to
    compile; the rest shuffled."""
    corpora = corpora_folder()
    done = {one["candidate"] for one in read_rows(MEASURED)}
    problems = read_problems(corpora)
    rows = list(read_cuda_candidates(corpora))
    random.Random(1).shuffle(rows)
    rows.sort(
        key=lambda one: (_corpus(one[0]) != "techno", (one[1].get("published") or {}).get("compiled") is not False)
    )
    for name, row in rows:
        candidate = candidate_hash(row["code"])
        if candidate not in done:
            done.add(candidate)
            problem = row.get("reference_code") or problems.get((row["level"], row["problem_id"]))
            yield candidate, _corpus(name), row, problem


def _corpus(name: str) -> str:
    return name.partition(":")[0]


def candidate_hash(code: str) -> str:
    """How kval names a Python candidate: SHA-256 over language and text, newlines normalised."""
    text = code.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    text = text if text.endswith("\n") else text + "\n"
    return hashlib.sha256(b"python\0" + text.encode() + b"\0").hexdigest()


def _build(code: str, problem: str | None, toolchain: Toolchain) -> dict[str, Any]:
    began = time.monotonic()
    built: bool | None = True
    stage: str | None = None
    kernels: list[dict[str, Json]] = []
    warnings: Counter[str] = Counter()
    specs = [ExtensionSpec.from_json(data) for data in _probe(code, problem)]
    if not specs:
        built = None
    for spec in specs:
        if check_rules(spec) is not None:
            built, stage = False, "rules"
            break
        with scratch() as folder:
            deadline = time.monotonic() + LIMIT_S
            attempt = fast_build(spec, toolchain, folder, deadline, limit_ms=LIMIT_S * 1000, cache_folder=CACHE)
            kernels += [
                {name: value for name, value in kernel_json(one).items() if name != "name"} for one in attempt.kernels
            ]
            warnings.update(f"{one.tool} {one.code}" for one in attempt.diagnostics if one.severity == "warning")
            if attempt.failure is not None:
                built, stage = False, getattr(attempt.failure, "stage", "timeout")
                break
            if attempt.library is None:
                built, stage = None, "declined"
            elif built and not _loads(attempt.library, spec, folder, toolchain):
                built, stage = False, "load"
                break
    return {"built": built, "stage": stage, "ms": (time.monotonic() - began) * 1000} | (
        {"kernels": kernels, "warnings": dict(sorted(warnings.items()))} if built else {}
    )


def _loads(library: Path, spec: ExtensionSpec, folder: Path, toolchain: Toolchain) -> bool:
    loaded = check_load(
        library,
        spec.name,
        is_python_module=spec.is_python_module,
        folder=folder,
        environment=toolchain.environment(folder),
    )
    return not isinstance(loaded, LoadError)


if __name__ == "__main__":
    main()

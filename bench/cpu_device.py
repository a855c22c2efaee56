"""How much of what language models write does the `cpu` device run, how fast, and how often is it wrong?

    python bench/cpu_device.py                     every stage, at its full size (hours on two cores)
    python bench/cpu_device.py --stage build       what builds once the two binding faults are repaired
    python bench/cpu_device.py --stage run --limit 20
    python bench/cpu_device.py --stage report      the table of what is measured so far
    python bench/cpu_device.py --only cuda-l1:42 --keep     one kernel, with everything printed

Kernels come from the corpora (`KVAL_CORPORA`, else `../shared/corpora`). Set `own`: all CUDA kernels of CUDA-L1 with
their own references and sizes. Set `scaled`: kernels of the other files, whose problems are shrunk until the reference
is small work (the module's size constants become a `SMALL`, batch sizes first). Most CUDA-L1 kernels break a rule of
torch's `load_inline` and hide that behind `except`; this benchmark, not the harness, repairs the binding (`repaired`
says how), so that the kernels themselves run. Every result is appended to `bench/results/cpu-device.jsonl` and not
measured again; the figures go to `bench/results/cpu-device.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "cuda-harness"))

from kval_harness import compare, probe  # noqa: E402
from kval_harness.build.toolchain import find_toolchain  # noqa: E402
from kval_harness.contain import Json  # noqa: E402
from kval_harness.outcome import InstrumentError  # noqa: E402
from kval_harness.protocol import Fields  # noqa: E402

from binding_repairs import RepairingStages, load_with_launchers  # noqa: E402
from corpora import corpora_folder, read_cuda_candidates, read_problems  # noqa: E402
from rows import append_row, read_rows  # noqa: E402
from scratch import scratch  # noqa: E402
from small_problems import scaled_problem  # noqa: E402

RESULTS = ROOT / "bench" / "results"
MEASURED = RESULTS / "cpu-device.jsonl"
CACHE = ROOT / ".kval" / "bench-cache"
SCALED = CACHE / "scaled.jsonl"
STAGES = ("build", "run", "report")
SCALED_KERNELS = 130
LIMIT_S = 110.0
BUILD_LIMIT_S = 1800.0
OLD_TOLERANCE = 1e-2  # KernelBench's first rule, absolute and relative


def main() -> None:
    options = _options()
    RESULTS.mkdir(parents=True, exist_ok=True)
    if options.only:
        _one(options.only, options)
        return
    stages = [options.stage] if options.stage else list(STAGES)
    if stages != ["report"]:
        if "run" in stages:
            start_device()
        probe.load_library = load_with_launchers
        kernels = [*own_kernels(corpora_folder()), *scaled_kernels(corpora_folder(), options.seed)]
        for stage in stages:
            if stage != "report":
                _stage(stage, kernels[: options.limit], options)
    _report(options)


@dataclass(frozen=True)
class Kernel:
    id: str
    group: str
    source: str
    problem: str
    small: bool


def _stage(stage: str, kernels: Sequence[Kernel], options: argparse.Namespace) -> None:
    done = {one["id"] for one in _measured(stage)}
    built = {one["id"] for one in _measured("build") if one["outcome"] == "built"}
    waiting = [one for one in kernels if one.id not in done and (stage == "build" or one.id in built)]
    random.Random(options.seed).shuffle(waiting)  # so that a part of them is a fair sample
    for count, kernel in enumerate(waiting, 1):
        row = (measure_build if stage == "build" else measure_run)(kernel, options)
        append_row(MEASURED, row)
        print(f"{stage} {count}/{len(waiting)} {kernel.id}: {row['outcome']} in {row['ms'] / 1000:.1f} s", flush=True)


def measure_build(kernel: Kernel, options: argparse.Namespace) -> dict[str, Any]:
    with scratch(keep=options.keep) as folder:
        found = judged(kernel, folder, executing=False)
    row: dict[str, Any] = {"stage": "build", "id": kernel.id, "group": kernel.group, "ms": found.build_ms}
    row["repairs"] = found.repairs
    if found.failure is not None:
        return row | {"outcome": f"error:{found.failure.code}"}
    outcome, record = found.result["outcome"], found.result["build"]
    extensions = record["extensions"] if record else []
    return row | {
        "outcome": outcome["status"],
        "where": outcome.get("stage") or outcome.get("phase") or outcome.get("reason"),
        "paths": sorted({one["path"] for one in extensions}),
        "cached": all(one["cached"] for one in extensions),
        "kernels": len({kernel["name"] for one in extensions for kernel in one["kernels"]}),
    }


def measure_run(kernel: Kernel, options: argparse.Namespace) -> dict[str, Any]:
    """Our own rule first; where its verdict is a mismatch, KernelBench's first one as well."""
    with scratch(keep=options.keep) as folder:
        found = judged(kernel, folder / "kval", executing=True)
        took = {"ms": found.translate_ms + found.execute_ms, "translateMs": found.translate_ms}
        row: dict[str, Any] = {"stage": "run", "id": kernel.id, "group": kernel.group, **took}
        if found.failure is not None:
            return row | {"outcome": f"error:{found.failure.code}", "text": _ours(found.failure.message)}
        outcome, execution = found.result["outcome"], found.result["execution"]
        row |= {"outcome": outcome["status"], "text": _told(outcome)}
        if execution is not None:
            row |= {"trials": execution["trials"], "launches": execution["launches"]}
            row |= {"notes": [_ours(note) for note in execution["notes"]]}
        if outcome["status"] == "mismatch" and outcome["how"] in ("values", "non-finite", "nondeterministic"):
            with _tolerance(OLD_TOLERANCE):
                lenient = judged(kernel, folder / "lenient", executing=True, compat="kernelbench")
            failed = lenient.failure
            row["lenient"] = f"error:{failed.code}" if failed is not None else lenient.result["outcome"]["status"]
    return row


def _told(outcome: dict[str, Any]) -> str:
    """What happened in the harness's words alone; other people's exceptions are told by their type."""
    if outcome["status"] == "mismatch":
        return _ours(f"{outcome['how']}: {outcome['message']}")
    if outcome["status"] == "rejected":
        return str(outcome["cheat"])
    if outcome["status"] == "runtime-error":
        return _ours(f"{outcome['phase']}: {outcome['error']}: {_fault(outcome['message'])}")
    return str(outcome.get("phase") or outcome.get("stage") or outcome.get("reason") or "")


def _fault(message: str) -> str:
    """The device's own sentence in a longer message, where there is one."""
    found = re.search(r"[^\n]*\bkernel\b[^\n]*\b(?:line|thread|block|byte)\b[^\n]*", message)
    return found.group() if found else ""


def _ours(text: str) -> str:
    return " ".join(text.split())[:300]


# --- kernels and their problems --------------------------------------------------------------------------------------


def own_kernels(corpora: Path) -> Iterator[Kernel]:
    for number, row in enumerate(read_rows(corpora / "candidates-cuda-l1.jsonl")):
        if row["has_cuda_kernel"]:
            yield Kernel(f"cuda-l1:{number}", "own", row["code"], row["reference_code"], small=False)


def scaled_kernels(corpora: Path, seed: int) -> Iterator[Kernel]:
    """Kernels of the other corpora in the seed's order, on problems that can be made small."""
    problems = read_problems(corpora)
    rows = [(name, row) for name, row in read_cuda_candidates(corpora) if not name.startswith("cuda-l1:")]
    random.Random(seed).shuffle(rows)
    known = {one["problem"]: one["source"] for one in read_rows(SCALED)}
    found = 0
    for name, row in rows:
        key = f"{row['level']}/{row['problem_id']}"
        if (row["level"], row["problem_id"]) not in problems:
            continue
        if key not in known:
            known[key] = scaled_problem(problems[row["level"], row["problem_id"]])
            append_row(SCALED, {"problem": key, "source": known[key]})
        if known[key] is not None:
            found += 1
            yield Kernel(name, "scaled", row["code"], known[key], small=True)
        if found == SCALED_KERNELS:
            return


# --- one kernel, judged ----------------------------------------------------------------------------------------------


def start_device() -> None:
    """Makes this process what a worker with `--cpu-device` is. Before anything imports torch."""
    from kval_harness.cpu_device.operators import install
    from kval_harness.cpu_device.runtime import preload, prepare_runtime

    preload(prepare_runtime(find_toolchain(CACHE), CACHE))
    install()


def environment() -> dict[str, str]:
    from kval_harness.devices import CPU_ENVIRONMENT

    return dict(CPU_ENVIRONMENT)


@dataclass(frozen=True)
class Judged:
    """The worker's answer, or why it has none. `build_ms` is all before the translation; it may come from the cache."""

    result: dict[str, Any]
    failure: InstrumentError | None
    repairs: list[str]
    build_ms: float
    translate_ms: float
    execute_ms: float


def judged(kernel: Kernel, folder: Path, *, executing: bool, compat: str = "kval") -> Judged:
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Json] = {
        "arch": "sm_90",
        "path": "auto",
        "buildTimeoutMs": BUILD_LIMIT_S * 1000,
        "cacheFolder": str(CACHE),
        "cacheMaxBytes": 20 << 30,
        "precision": "fp32",
        "trials": 1,
        "timingTrials": 0,
        "executeTimeoutMs": LIMIT_S * 1000,
        "compat": compat,
    }
    request: dict[str, Json] = {
        "candidate": {"source": kernel.source, "language": "python"},
        "problem": {"source": kernel.problem, "small": kernel.small},
        "settings": settings,
        "folder": str(folder),
        "device": {"kind": "cpu", "index": 0},
    }
    # When the translation, and then the execution, began.
    turns: list[float] = []

    def follow(stage: str, message: str) -> None:
        if (not turns and "translating" in message) or stage == "execute":
            turns.append(time.monotonic())

    stages = RepairingStages(environment(), lambda: False, follow, len(os.sched_getaffinity(0)))
    began = time.monotonic()
    result: dict[str, Any] = {}
    failure = None
    try:
        fields = Fields(request, "params")
        result = stages.execute(fields, ("cpu",)) if executing else stages.build(fields)
    except InstrumentError as error:
        failure = error
    ended = time.monotonic()
    first, second = (*turns, ended, ended)[:2]
    times = [1000 * one for one in (first - began, second - first, ended - second)]
    return Judged(result, failure, sorted(stages.repairs), *times)


@contextmanager
def _tolerance(tolerance: float) -> Iterator[None]:
    """KernelBench's rule with another number; children are forked and see it."""
    usual = dict(compare.KERNELBENCH_TOLERANCE)
    compare.KERNELBENCH_TOLERANCE.update(dict.fromkeys(usual, tolerance))
    try:
        yield
    finally:
        compare.KERNELBENCH_TOLERANCE.update(usual)


def _one(name: str, options: argparse.Namespace) -> None:
    """Everything about one kernel, for whoever looks for the reason; nothing of it is kept in the results."""
    if options.stage != "build":
        start_device()
    probe.load_library = load_with_launchers
    kernels = (
        [*own_kernels(corpora_folder())]
        if name.startswith("cuda-l1")
        else [*scaled_kernels(corpora_folder(), options.seed)]
    )
    kernel = next((one for one in kernels if one.id == name), None)
    if kernel is None:
        sys.exit(f"no kernel {name} in the corpora")
    with scratch(keep=options.keep) as folder:
        if options.keep:
            (folder / "candidate.py").write_text(kernel.source, encoding="utf-8")
            (folder / "problem.py").write_text(kernel.problem, encoding="utf-8")
        found = judged(kernel, folder / "job", executing=options.stage != "build")
        for extension in (found.result.get("build") or {}).get("extensions", ()):
            for step in extension.pop("steps"):
                if step["exitCode"] != 0:
                    print(f"{step['tool']} left with {step['exitCode']}:\n{step['stdout']}{step['stderr']}")
        print(json.dumps(found.failure.to_json() if found.failure is not None else found.result, indent=2))
        print(f"repairs: {', '.join(found.repairs) or 'none'}")
        times = (found.build_ms, found.translate_ms, found.execute_ms)
        print("build {:.1f} s, translation {:.1f} s, execution {:.1f} s".format(*(one / 1000 for one in times)))


# --- the report ------------------------------------------------------------------------------------------------------


def _report(options: argparse.Namespace) -> None:
    toolchain = find_toolchain(CACHE)
    figures: dict[str, Any] = {
        "command": " ".join(["python", *sys.argv]),
        "versions": toolchain.identity(),
        "machine": {"cpus": os.cpu_count(), "processor": platform.machine(), "seed": options.seed},
        "limitS": LIMIT_S,
    }
    print(f"{'':44}{'own':>8}{'scaled':>8}")
    groups = {group: _figures(group) for group in ("own", "scaled")}
    for label, pick in _LINES:
        print(f"{label:44}" + "".join(f"{pick(one):>8}" for one in groups.values()))
    names = sorted({name for one in groups.values() for name in one["outcomes"]})
    for name in names:
        print(f"  {name:42}" + "".join(f"{one['outcomes'].get(name, 0):>8}" for one in groups.values()))
    for row in _measured("run"):
        if row["outcome"] not in ("correct", "rejected"):
            print(f"  {row['id']:16} {row['outcome']}: {row.get('text', '')}")
    figures |= groups
    (RESULTS / "cpu-device.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _figures(group: str) -> dict[str, Any]:
    builds = [one for one in _measured("build") if one["group"] == group]
    built = [one for one in builds if one["outcome"] == "built"]
    runs = [one for one in _measured("run") if one["group"] == group]
    # A mismatch is found before launches are counted, so whether it launched its own kernel is not known.
    launched = [one for one in runs if one.get("launches")]
    ended = [one for one in runs if one["outcome"] != "timeout" and not one["outcome"].startswith("error")]
    judged = [one for one in ended if one["ms"] <= LIMIT_S * 1000]
    return {
        "kernels": len(builds),
        "built": len(built),
        "buildSeconds": _median([one["ms"] / 1000 for one in builds if not one.get("cached")]),
        "run": len(runs),
        "launched": len(launched),
        "judged": len(judged),
        "seconds": _median([one["ms"] / 1000 for one in ended]),
        "outcomes": dict(Counter(one["outcome"] for one in runs)),
        "mismatches": [
            {"id": one["id"], "text": one["text"], "lenient": one.get("lenient")}
            for one in runs
            if one["outcome"] == "mismatch"
        ],
    }


_LINES: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("kernels", lambda one: str(one["kernels"])),
    ("built", lambda one: str(one["built"])),
    ("built (%)", lambda one: _percent(one["built"], one["kernels"])),
    ("median build (s)", lambda one: _seconds(one["buildSeconds"])),
    ("executed", lambda one: str(one["run"])),
    (f"an outcome within {LIMIT_S:.0f} s (%)", lambda one: _percent(one["judged"], one["run"])),
    ("seen to launch a kernel of their own", lambda one: str(one["launched"])),
    ("median outcome once built (s)", lambda one: _seconds(one["seconds"])),
    ("mismatch by our rule", lambda one: str(len(one["mismatches"]))),
    (
        f"mismatch also at KernelBench's {OLD_TOLERANCE:g}",
        lambda one: str(sum(row["lenient"] not in (None, "correct") for row in one["mismatches"])),
    ),
)


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "-"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _measured(stage: str) -> list[dict[str, Any]]:
    """The rows of a stage, the newest of each kernel: one is measured again by deleting its row."""
    return list({one["id"]: one for one in read_rows(MEASURED) if one["stage"] == stage}.values())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="real kernels on the cpu device")
    parser.add_argument("--stage", choices=STAGES, default=None, help="one stage alone (default: all)")
    parser.add_argument("--limit", type=int, default=None, help="how many kernels")
    parser.add_argument("--only", default=None, help="one kernel by its id, with everything printed")
    parser.add_argument("--keep", action="store_true", help="keep the scratch folders and say where they are")
    parser.add_argument("--seed", type=int, default=1, help="the order of the scaled kernels")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Labels a minute: `kval label` beside KernelBench's own evaluation, the same kernels, in turns.

    python bench/throughput.py --kernelbench CHECKOUT                     on the first GPU
    python bench/throughput.py --kernelbench CHECKOUT --device cpu --limit 1    a rehearsal, nothing timed

KernelBench's side is what its `scripts/eval_from_generations.py` does by default: one new process for each sample,
which calls `eval_kernel_against_ref` of the checkout with 5 correctness and 100 timed trials, without a build cache.
kval's side is the command line with KernelBench's rule (`--compat kernelbench`) and the same trials; no kernel has been
built before, the start of its processes counts, and what a machine needs once (`prepareS`) is told apart. The kernels,
the shipped samples in a random order, come in blocks, and each block goes through both sides before the next. Whatever
is measured is appended to `throughput.jsonl` under $OUT, else under bench/results, and not measured again; the table
comes last, the figures go to `throughput.json`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import platform
import random
import subprocess
import sys
import time
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from devices import Kernel, shipped_kernels
from rows import append_row, read_rows
from scratch import scratch

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".kval" / "bench-cache"
TRIALS, TIMED = 5, 100
LIMIT_S = 180.0
# Clients of language models: the package asks for them, no evaluation needs them.
CLIENTS = ("dotenv", "litellm", "openai", "tqdm")
NOT_COMPILED = ("invalid", "compile-error", "load-error")
Row = dict[str, Any]


def main() -> None:
    options = _options()
    out = Path(os.environ.get("OUT") or ROOT / "bench" / "results")
    file = out / "throughput.jsonl"
    kernels = shipped_kernels()
    random.Random(options.seed).shuffle(kernels)
    first, kernels = kernels[0], kernels[1:][: options.limit]
    with scratch() as home:
        options.home = str(home)
        _measure(first, kernels, file, options)
    _report(kernels, read_rows(file), options, out / "throughput.json")


def _measure(first: Kernel, kernels: Sequence[Kernel], file: Path, options: argparse.Namespace) -> None:
    prepared = False
    for start in range(0, len(kernels), options.block):
        block = kernels[start : start + options.block]
        done = {(row["side"], row["key"]) for row in read_rows(file)}
        for side, measure in (("kernelbench", measure_kernelbench), ("kval", measure_kval)):
            waiting = [one for one in block if (side, one.key) not in done]
            if side == "kval" and waiting and not prepared:
                with scratch() as folder:
                    seconds = _label([first], folder, options)
                append_row(file, {"side": "prepare", "key": "", "device": options.device, "seconds": seconds})
                prepared = True
            for row in measure(waiting, options) if waiting else []:
                append_row(file, row | {"side": side, "device": options.device})
                print(f"{side} {row['name']}: {row['verdict']} in {row['seconds']:.1f} s", file=sys.stderr, flush=True)


def measure_kernelbench(block: Sequence[Kernel], options: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    for kernel in block:
        problem = kernel.case.problem.read_text(encoding="utf-8")
        with scratch() as folder, multiprocessing.get_context("spawn").Pool(1) as pool:
            began = time.monotonic()
            asked = pool.apply_async(
                evaluate, (options.kernelbench, problem, kernel.case.source, str(folder), options.device)
            )
            try:
                verdict = asked.get(timeout=LIMIT_S if options.device == "cuda" else None)
            except multiprocessing.TimeoutError:
                verdict = "none: timed out"
            rows.append({"name": kernel.name, "key": kernel.key, "verdict": verdict})
            rows[-1]["seconds"] = time.monotonic() - began
    return rows


def evaluate(checkout: str, problem: str, source: str, folder: str, device: str) -> str:
    """In a process of its own: KernelBench's verdict as `compiled correct`, each True or False."""
    if device == "cpu":
        from kval_harness.build.toolchain import find_toolchain

        from cpu_device import start_device

        start_device()
        os.environ["CUDA_HOME"] = str(find_toolchain(CACHE).cuda_home)
    os.environ["TORCH_CUDA_ARCH_LIST"] = "9.0"
    import torch

    for name in CLIENTS:
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = _Absent(name)
    sys.path.insert(0, str(Path(checkout, "src")))
    found = importlib.import_module("kernelbench.eval").eval_kernel_against_ref(
        problem,
        source,
        measure_performance=device == "cuda",
        num_correct_trials=TRIALS,
        num_perf_trials=TIMED,
        build_dir=folder,
        device=torch.device("cuda:0"),
    )
    return "none: to be tried again" if found is None else f"{bool(found.compiled)} {bool(found.correctness)}"


class _Absent(types.ModuleType):
    """In the place of a package that is not installed: functions of all names, which do nothing."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: None


def measure_kval(block: Sequence[Kernel], options: argparse.Namespace) -> list[Row]:
    """The block's time is shared out evenly, since kval judges several at a time."""
    with scratch() as folder:
        seconds = _label(block, folder, options) / len(block)
        labels = {row["candidate"]["source"]: row["measured"]["outcome"] for row in read_rows(folder / "labels.jsonl")}
    rows: list[Row] = []
    for kernel in block:
        outcome = labels.get(kernel.case.source)
        status = outcome["status"] if outcome else "none"
        verdict = f"{status not in NOT_COMPILED} {status == 'correct'}" if outcome else "none: not judged"
        rows.append({"name": kernel.name, "key": kernel.key, "verdict": verdict, "seconds": seconds})
        rows[-1]["status"] = status
    return rows


def _label(block: Sequence[Kernel], folder: Path, options: argparse.Namespace) -> float:
    """Labels of the block in `labels.jsonl`; the seconds that `kval label` took."""

    def kval(*words: str) -> None:
        command = [options.node, str(ROOT / "dist" / "cli.js"), *words, "--store", str(folder / "labels.db")]
        subprocess.run(command, env={**os.environ, "KVAL_HOME": options.home}, check=True, stdout=subprocess.DEVNULL)

    for kernel in block:
        place = folder / "candidates" / f"{kernel.name}.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(kernel.case.source, encoding="utf-8")
    kval("import", str(folder / "candidates"))
    began = time.monotonic()
    trials = ["--trials", str(TRIALS), "--timing-trials", str(TIMED), "--compat", "kernelbench"]
    kval("label", "--device", options.device, *trials)
    seconds = time.monotonic() - began
    kval("labels", "export", str(folder / "labels.jsonl"))
    return seconds


def _report(kernels: Sequence[Kernel], rows: Sequence[Row], options: argparse.Namespace, file: Path) -> None:
    rows = [row for row in rows if row["device"] == options.device]
    prepared = [row["seconds"] for row in rows if row["side"] == "prepare"]
    asked = {one.key for one in kernels}
    rows = [row for row in rows if row["key"] in asked]
    sides = {name: {row["key"]: row for row in rows if row["side"] == name} for name in ("kernelbench", "kval")}
    both = sorted(sides["kernelbench"].keys() & sides["kval"].keys())
    rates = {name: 60 * len(both) / sum(side[key]["seconds"] for key in both) for name, side in sides.items() if both}
    differing = [
        {"name": sides["kval"][key]["name"], **{name: side[key]["verdict"] for name, side in sides.items()}}
        for key in both
        if sides["kernelbench"][key]["verdict"] != sides["kval"][key]["verdict"]
    ]
    figures = {
        "command": " ".join(["python", *sys.argv]),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "device": options.device,
        "kernels": len(both),
        "labelsAMinute": rates,
        "prepareS": prepared,
        "ratio": rates["kval"] / rates["kernelbench"] if both else None,
        "differing": differing,
    }
    file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    for row in differing:
        print("  ".join(f"{name}: {value}" for name, value in row.items()))
    print(f"{len(both)} kernels, the verdicts (compiled, correct) of {len(both) - len(differing)} are the same")
    for name, rate in rates.items():
        print(f"{name:12} {rate:8.2f} labels a minute")
    if both:
        print(f"{'ratio':12} {figures['ratio']:8.1f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kernelbench", required=True, metavar="CHECKOUT", help="a checkout of KernelBench")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--node", default=os.environ.get("NODE", "node"))
    parser.add_argument("--limit", type=int, default=None, help="only so many kernels")
    parser.add_argument("--block", type=int, default=12, help="so many go through one side before the other's turn")
    parser.add_argument("--seed", type=int, default=1, help="their order")
    options = parser.parse_args()
    if not Path(options.kernelbench, "src", "kernelbench", "eval.py").is_file():
        parser.error(
            f"{options.kernelbench} holds no src/kernelbench/eval.py; give the folder of a KernelBench checkout"
        )
    return options


if __name__ == "__main__":
    main()

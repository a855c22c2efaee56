"""How far does the clock repeat itself? The timing protocol, 20 times on each of ten kernels.

    python bench/timing.py                      on the first GPU
    python bench/timing.py --device host        a rehearsal without one: each reference against a copy of itself

For every kernel of the starter set: the spread of a run's median and of its speed-up over the runs, the drift from the
first runs to the last, how many rounds a run took, and the time with a warm cache over that with a cold one. The
figures go to `timing.json` (`timing-host.json` for a rehearsal) under $OUT, else under bench/results.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "cuda-harness"))

import torch  # noqa: E402
from kval_harness import probe  # noqa: E402
from kval_harness.build.candidate import Builder  # noqa: E402
from kval_harness.clock import EventClock, Lap, clock_for  # noqa: E402
from kval_harness.nvml import Gauge, NoGauge  # noqa: E402
from kval_harness.outcome import Timing  # noqa: E402
from kval_harness.physics import Traffic, peak_bandwidth  # noqa: E402
from kval_harness.problem import load_problem  # noqa: E402
from kval_harness.protocol import BuildSettings  # noqa: E402
from kval_harness.tensors import flatten, map_tensors, tensors_in  # noqa: E402
from kval_harness.timing import conclude, take_rounds  # noqa: E402
from kval_harness.vary import freshen  # noqa: E402

KERNELS = (
    "level1/1_Square_matmul/shared_tiled",
    "level1/5_Matrix_vector/warp_shuffle",
    "level1/7_ReLU/float4",
    "level1/11_Sum_over_dim/column_threads",
    "level1/14_Mean_over_rows/cub_block_reduce",
    "level1/17_Conv2d/direct_lazy",
    "level1/21_LayerNorm/warp_shuffle",
    "level1/26_Softmax/warp_per_row",
    "level1/28_MaxPool2d/naive",
    "level1/35_Cumsum/block_scan",
)
SETS = 2
CACHE = ROOT / ".kval" / "bench-cache"
Call = Callable[[int], Lap]


def main() -> None:
    options = _options()
    torch.manual_seed(1)
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory(prefix="kval-timing-") as folder, torch.no_grad():
        for name in KERNELS[: options.kernels]:
            rows.append(_measure(name, options, Path(folder)))
            print(f"{name}: done")
    out = Path(os.environ.get("OUT") or ROOT / "bench" / "results")
    out.mkdir(parents=True, exist_ok=True)
    file = out / ("timing.json" if options.device == "cuda" else "timing-host.json")
    file.write_text(json.dumps({"command": sys.argv, **_machine(options.device), "kernels": rows}, indent=2) + "\n")
    _print(rows, file)


def _measure(name: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All runs of one kernel, and one more with the cache left warm."""
    level, stem, variant = name.split("/")
    device = "cuda:0" if options.device == "cuda" else "cpu"
    problem = load_problem((ROOT / "kernelbench" / "starter" / level / f"{stem}.py").read_text(), small=device == "cpu")
    args, kwargs = problem.init_inputs()
    torch.manual_seed(7)
    reference = problem.model(args, kwargs).to(device)
    candidate = copy.deepcopy(reference)
    if device != "cpu":
        model = _built(ROOT / "kernelbench" / "candidates" / stem / f"{variant}.py", folder)
        torch.manual_seed(7)
        candidate = model(*args, **kwargs).to(device)
    sets = [map_tensors(problem.inputs(), lambda one: one.to(device)) for _ in range(SETS)]
    wanted, given = (flatten(model(*_values(map_tensors(sets[0], torch.clone)))) for model in (reference, candidate))
    for one, other in zip(given, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
    traffic = Traffic(_bytes(sets[0]), _bytes(wanted), _l2_bytes(device))
    cold = [_run(reference, candidate, sets, device, options, traffic, seed) for seed in range(options.runs)]
    medians = [timing.candidate_ms.median for timing in cold]
    speedups = [timing.speedup for timing in cold]
    third = max(1, len(medians) // 3)
    warm = None
    if device != "cpu":
        warm_run = _run(reference, candidate, sets, device, options, traffic, options.runs, flush=False)
        warm = warm_run.candidate_ms.median / statistics.median(medians)
    return {
        "kernel": name,
        "medianMs": statistics.median(medians),
        "speedup": statistics.median(speedups),
        "spread": (max(medians) - min(medians)) / statistics.median(medians),
        "deviation": _deviation(medians),
        "speedupSpread": (max(speedups) - min(speedups)) / statistics.median(speedups),
        "speedupDeviation": _deviation(speedups),
        "drift": statistics.median(medians[-third:]) / statistics.median(medians[:third]) - 1,
        "rounds": statistics.median(len(timing.candidate_ms.samples) for timing in cold),
        "droppedRounds": sum(int(str(timing.clock["droppedRounds"])) for timing in cold),
        "warmOverCold": warm,
        "runs": [{"candidateMs": m, "speedup": s} for m, s in zip(medians, speedups, strict=True)],
    }


def _run(
    reference: torch.nn.Module,
    candidate: torch.nn.Module,
    sets: list[object],
    device: str,
    options: argparse.Namespace,
    traffic: Traffic,
    seed: int,
    *,
    flush: bool = True,
) -> Timing:
    clock = clock_for(device) if flush else EventClock(torch.device(device), flush=False)

    def side(model: torch.nn.Module) -> Call:
        def call(key: int) -> Lap:
            inputs = _values(freshen(sets[key % SETS], key))
            return clock.lap(lambda: model(*inputs))[1]

        return call

    gauge, bandwidth = _gauge(device)
    rounds = take_rounds(
        side(candidate),
        side(reference),
        at_most=options.rounds,
        random=Random(seed),
        gauge=lambda: gauge.read() if gauge else None,
    )
    found = conclude(rounds, traffic, bandwidth if flush else None, {})
    if not isinstance(found, Timing):
        raise SystemExit(f"an honest kernel was rejected: {found.cheat}: {found.evidence}")
    return found


def _built(file: Path, folder: Path) -> Any:  # noqa: ANN401  # a class of the candidate's
    """The candidate's `ModelNew`, its extension built by the harness."""
    major, minor = torch.cuda.get_device_capability(0)
    settings = BuildSettings(f"sm_{major}{minor}", "auto", 600_000.0, CACHE, 4 * 1024**3)
    work = folder / file.parent.name
    work.mkdir()
    probe.install_recorders(Builder(settings, work).serve, probe.load_library)
    return probe.import_candidate(file.read_text(), work).ModelNew


def _gauge(device: str) -> tuple[Gauge | None, float | None]:
    if device == "cpu":
        return None, None
    about = torch.cuda.get_device_properties(0)
    try:
        gauge = Gauge(str(about.uuid))
    except NoGauge:
        return None, peak_bandwidth(about.name, about.memory_clock_rate, about.memory_bus_width)
    told = peak_bandwidth(about.name, about.memory_clock_rate, about.memory_bus_width)
    return gauge, max(told or 0.0, gauge.bandwidth_bytes_per_s() or 0.0) or None


def _l2_bytes(device: str) -> int:
    return 0 if device == "cpu" else int(torch.cuda.get_device_properties(0).L2_cache_size)


def _values(inputs: object) -> list[Any]:
    assert isinstance(inputs, list)
    return inputs


def _bytes(values: object) -> int:
    return sum(one.numel() * one.element_size() for one in tensors_in(values))


def _deviation(values: list[float]) -> float:
    return statistics.stdev(values) / statistics.fmean(values) if len(values) > 1 else 0.0


def _machine(device: str) -> dict[str, Any]:
    about = torch.cuda.get_device_properties(0).name if device == "cuda" else platform.processor() or "CPU"
    return {
        "device": device,
        "machine": f"{about}, {os.cpu_count()} cores, {platform.system()}",
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }


def _print(rows: list[dict[str, Any]], file: Path) -> None:
    print(f"\nwritten to {file}\n")
    head = ("kernel", "ms", "speed-up", "spread", "of speed-up", "drift", "rounds", "warm/cold")
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for row in rows:
        warm = "-" if row["warmOverCold"] is None else f"{row['warmOverCold']:.2f}"
        cells = (
            row["kernel"],
            f"{row['medianMs']:.4f}",
            f"{row['speedup']:.3f}",
            f"{row['spread']:.2%}",
            f"{row['speedupSpread']:.2%}",
            f"{row['drift']:+.2%}",
            f"{row['rounds']:.0f}",
            warm,
        )
        print("| " + " | ".join(cells) + " |")
    worst = max(row["speedupSpread"] for row in rows)
    print(f"\nspread is (largest - smallest) / median over the runs; the worst of a speed-up: {worst:.2%}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "host"), default="cuda")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=100, help="the most rounds that one run takes")
    parser.add_argument("--kernels", type=int, default=len(KERNELS), help="only the first so many")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no GPU here; --device host rehearses without one")
    return options


if __name__ == "__main__":
    main()

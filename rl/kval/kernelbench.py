"""KernelBench's `eval_kernel_against_ref`, answered by kval: same arguments, a result with the same fields.

`python -m kval.kernelbench scripts/eval_from_generations.py level=1 ...` runs a script of KernelBench as it is, with
this function in place of its own.
"""

from __future__ import annotations

import importlib
import multiprocessing
import runpy
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from kval.reply import Reply
from kval.shared import shared_client


@dataclass
class KernelExecResult:
    """As KernelBench's. Times are milliseconds, as its own code records them (a comment there says microseconds); -1.0
    where nothing was timed."""

    compiled: bool = False
    correctness: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    runtime: float = -1.0
    runtime_stats: dict[str, Any] = field(default_factory=dict)
    ref_runtime: float = -1.0
    ref_runtime_stats: dict[str, Any] = field(default_factory=dict)

    def model_dump(self) -> dict[str, Any]:
        return asdict(self)

    dict = model_dump


def eval_kernel_against_ref(
    original_model_src: str,
    custom_model_src: str,
    seed_num: int = 42,
    num_correct_trials: int = 1,
    num_perf_trials: int = 10,
    measure_performance: bool = False,
    timing_method: str = "cuda_event",
    verbose: bool = False,
    build_dir: object = None,
    device: object = None,
    backend: str = "cuda",
    precision: object = None,
    check_for_excessive_speedup: bool = True,
    excessive_speedup_threshold: float = 10,
) -> KernelExecResult:
    """One CUDA kernel against its reference. Raises ServiceError where kval cannot judge, ValueError for a backend or a
    precision that it does not know.

    Honoured: the two sources, `num_correct_trials` (1 to 100), `measure_performance` with `num_perf_trials` (up to
    10 000), `precision`, and the two settings of excessive speed-up. Ignored, since the service decides them:
    `seed_num`, `timing_method`, `verbose`, `build_dir` and `device`. Unlike KernelBench's, `runtime` is the median of
    the timed runs, not their mean, and `runtime_stats` holds just that `median`. A simulated verdict's times are
    predictions: `metadata["kval"]["predicted"]` is 1.
    """
    if backend != "cuda":
        raise ValueError(f"kval judges CUDA kernels, not {backend}")
    settings: dict[str, Any] = {
        "trials": min(max(num_correct_trials, 1), 100),
        "timingTrials": min(num_perf_trials, 10_000) if measure_performance else 0,
        "compat": "kernelbench",
    }
    if precision is not None:
        name = str(precision).removeprefix("torch.")
        if name not in _PRECISIONS:
            raise ValueError(f"kval judges {', '.join(_PRECISIONS)}, not {name}")
        settings["precision"] = _PRECISIONS[name]
    request = {"kernel": custom_model_src, "reference": original_model_src, "settings": settings}
    reply = shared_client().validate(request)
    excessive = measure_performance and check_for_excessive_speedup and reply.speedup > excessive_speedup_threshold
    return _result_of(reply, excessive)


_PRECISIONS = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


def _result_of(reply: Reply, excessive: bool) -> KernelExecResult:
    timed = bool(reply.timed)
    return KernelExecResult(
        compiled=bool(reply.compiled),
        correctness=bool(reply.correct),
        metadata={**_fault_of(reply), **({"excessive_speedup": True} if excessive else {}), "kval": reply.flat()},
        runtime=reply.kernel_ms if timed else -1.0,
        runtime_stats={"median": reply.kernel_ms} if timed else {},
        ref_runtime=reply.reference_ms if timed else -1.0,
        ref_runtime_stats={"median": reply.reference_ms} if timed else {},
    )


def _fault_of(reply: Reply) -> dict[str, str]:
    """Under KernelBench's names: the message, and beside it what kind of fault it is (kval's status)."""
    if not reply.compiled:
        return {"compilation_error_name": reply.status, "compilation_error": reply.feedback}
    if reply.correct:
        return {}
    if reply.status in ("runtime-error", "load-error", "timeout"):
        return {"runtime_error_name": reply.status, "runtime_error": reply.feedback}
    return {"correctness_issue_name": "correctness_issue", "correctness_issue": reply.feedback}


def run_script(path: str, arguments: Sequence[str] = ()) -> None:
    """Runs a script that imports `kernelbench.eval`; its worker processes are forked, since a new one would import
    KernelBench's own function."""
    multiprocessing.set_start_method("fork")
    importlib.import_module("kernelbench.eval").eval_kernel_against_ref = eval_kernel_against_ref  # type: ignore[attr-defined]
    sys.argv = [path, *arguments]
    runpy.run_path(path, run_name="__main__")


if __name__ == "__main__":
    # The module by its name: results of `__main__` could not be handed over by a worker.
    importlib.import_module("kval.kernelbench").run_script(sys.argv[1], sys.argv[2:])

"""KernelBench's `eval_kernel_against_ref`, answered by kval: same arguments, a result with the same fields."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from kval.client import Client
from kval.reply import Reply


@dataclass
class KernelExecResult:
    """As KernelBench's. Times are milliseconds; -1.0 where nothing was timed."""

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
    """Raises ServiceError where kval cannot judge. The service decides seeds, clock, folder and device; only CUDA."""
    if backend != "cuda":
        raise ValueError(f"kval judges CUDA kernels, not {backend}")
    settings: dict[str, Any] = {
        "trials": min(max(num_correct_trials, 1), 100),
        "timingTrials": min(num_perf_trials, 10_000) if measure_performance else 0,
        "compat": "kernelbench",
    }
    if precision is not None:
        settings["precision"] = _PRECISIONS[str(precision).removeprefix("torch.")]
    request = {"kernel": custom_model_src, "reference": original_model_src, "settings": settings}
    reply = Client().validate(request)
    excessive = check_for_excessive_speedup and reply.speedup > excessive_speedup_threshold
    return _result_of(reply, excessive)


_PRECISIONS = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


def _result_of(reply: Reply, excessive: bool) -> KernelExecResult:
    metadata: dict[str, Any] = {"kval": reply.flat()}
    if not reply.compiled:
        metadata["compilation_error"] = reply.feedback
    elif reply.status in ("runtime-error", "load-error", "timeout"):
        metadata["runtime_error"] = reply.feedback
    elif not reply.correct:
        metadata["correctness_issue"] = reply.feedback
    if excessive:
        metadata["excessive_speedup"] = True
    timed = bool(reply.timed)
    return KernelExecResult(
        compiled=bool(reply.compiled),
        correctness=bool(reply.correct),
        metadata=metadata,
        runtime=reply.kernel_ms if timed else -1.0,
        runtime_stats={"mean": reply.kernel_ms} if timed else {},
        ref_runtime=reply.reference_ms if timed else -1.0,
        ref_runtime_stats={"mean": reply.reference_ms} if timed else {},
    )

"""Is a problem worth judging with? One whose right answer a trivial candidate gives by luck teaches nothing.

Rejected is a problem whose expected output zeros, a constant, the mean (of all or of each row), noise of the right
size, or a copy of an input would match at the tolerance of the run, which hardly varies between seeds or elements, or
which is not finite.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kval_harness.compare import KERNELBENCH_TOLERANCE, Agreement, Expected, Rule, compare
from kval_harness.contain import Json
from kval_harness.outcome import InstrumentError
from kval_harness.problem import Problem, load_problem
from kval_harness.tensors import map_tensors, tensors_in

if TYPE_CHECKING:
    import torch

SEEDS = (20230, 70921, 51413)
CONSTANTS = (1.0, -1.0, 0.5)

Kind = Literal["zeros", "constant", "mean", "input-copy", "low-variance", "non-finite", "error"]


@dataclass(frozen=True)
class Finding:
    kind: Kind
    message: str

    def to_json(self) -> dict[str, Json]:
        return {"kind": self.kind, "message": self.message}


def check_problem(source: str, *, small: bool, tolerance: float | None) -> dict[str, Json]:
    """The result of the `check-problem` request. Runs the problem on the CPU, so it belongs in a contained child.

    `tolerance` is KernelBench's rule with that number, absolute and relative; None is our own rule at fp32.
    """
    began = time.monotonic()
    findings = find_weaknesses(source, small=small, tolerance=tolerance)
    return {
        "admitted": not findings,
        "findings": [one.to_json() for one in findings],
        "durationMs": (time.monotonic() - began) * 1000,
    }


def find_weaknesses(source: str, *, small: bool, tolerance: float | None) -> list[Finding]:
    """Every way in which a trivial candidate would pass, each kind once; empty for a sound problem."""
    rule = Rule(KERNELBENCH_TOLERANCE["fp32"]) if tolerance is None else Rule(tolerance, scaled=False)
    try:
        problem = load_problem(source, small=small)
        calls = [_call(problem, seed) for seed in SEEDS]
    except InstrumentError as error:
        return [Finding("error", error.message)]
    except MemoryError:
        raise
    except Exception as error:  # the problem's own code: its failure is the finding
        return [Finding("error", f"{type(error).__name__}: {error}"[:2000])]
    findings: dict[Kind, Finding] = {}
    for finding in _weaknesses(calls, rule):
        findings.setdefault(finding.kind, finding)
    return list(findings.values())


@dataclass(frozen=True)
class _Call:
    inputs: list[torch.Tensor]
    outputs: list[torch.Tensor]
    expected: list[Expected]


def _call(problem: Problem, seed: int) -> _Call:
    """One call in training mode, as KernelBench makes it: the same weights, other inputs."""
    import torch

    torch.manual_seed(SEEDS[0])
    args, kwargs = problem.init_inputs()
    torch.manual_seed(SEEDS[0])
    model = problem.model(args, kwargs)
    torch.manual_seed(seed)
    values: list[Any] = problem.inputs()
    kept = [one.clone() for one in tensors_in(values)]
    with torch.no_grad():
        outputs = tensors_in(model(*values))
    if not outputs:
        raise InstrumentError("problem-broken", "the reference returns no tensor", retry=False)
    exact = _exact(model, values, outputs)
    return _Call(kept, outputs, [Expected(*pair) for pair in zip(outputs, exact, strict=True)])


def _exact(model: torch.nn.Module, values: list[Any], outputs: list[torch.Tensor]) -> list[torch.Tensor | None]:
    """The outputs in double precision: they tell a small output from rounding noise."""
    import torch

    try:
        wide = map_tensors(values, lambda one: one.double() if one.dtype.is_floating_point else one)
        assert isinstance(wide, list)
        with torch.no_grad():
            found = tensors_in(copy.deepcopy(model).double()(*wide))
    except Exception:  # a forward that fixes its types has none
        return [None for _ in outputs]
    fits = len(found) == len(outputs) and all(
        one.shape == output.shape for one, output in zip(found, outputs, strict=True)
    )
    return [*found] if fits else [None for _ in outputs]


def _weaknesses(calls: list[_Call], rule: Rule) -> Iterator[Finding]:
    for output in (one for call in calls for one in call.outputs):
        if output.dtype.is_floating_point and not bool(output.isfinite().all()):
            strange = int((~output.isfinite()).sum())
            yield Finding("non-finite", f"{strange} of {output.numel()} expected elements are not finite")
            return
    for kind, message, fakes in _fakes(calls):
        if all(_passes(call, fake, rule) for call, fake in zip(calls, fakes, strict=True)):
            yield Finding(kind, message)
    if _passes(calls[0], calls[1].outputs, rule) and _passes(calls[0], calls[2].outputs, rule):
        yield Finding("low-variance", "the output hardly changes from seed to seed: yesterday's answer would pass")


def _fakes(calls: list[_Call]) -> Iterator[tuple[Kind, str, list[list[torch.Tensor]]]]:
    """What a lazy candidate could answer to each call, without computing."""
    import torch

    yield "zeros", "zeros would pass", [[torch.zeros_like(one) for one in call.outputs] for call in calls]
    first = [float(one.double().mean()) for one in calls[0].outputs]
    for name, values in [(str(one), [one] * len(first)) for one in CONSTANTS] + [("one seed's mean", first)]:
        fakes = [[_filled(one, value) for one, value in zip(call.outputs, values, strict=True)] for call in calls]
        yield "constant", f"the constant {name} would pass", fakes
    if all(one.numel() > 1 for one in calls[0].outputs):
        means = [[_filled(one, float(one.double().mean())) for one in call.outputs] for call in calls]
        yield "mean", "the mean of the outputs in every element would pass: they hardly vary", means
        yield "mean", "each row's mean would pass: rows hardly vary", [[*map(_row_means, one.outputs)] for one in calls]
        noise = [[_noise_like(one) for one in call.outputs] for call in calls]
        yield "mean", "noise with the outputs' mean and spread would pass", noise
    for place in range(len(calls[0].inputs)):
        copies = [[_shaped_like(call.inputs[place], one) for one in call.outputs] for call in calls]
        yield "input-copy", f"a copy of input {place} would pass", copies


def _filled(like: torch.Tensor, value: float) -> torch.Tensor:
    import torch

    if like.dtype == torch.bool:
        return torch.full_like(like, value >= 0.5)
    return torch.full_like(like, value if like.dtype.is_floating_point or like.dtype.is_complex else round(value))


def _row_means(like: torch.Tensor) -> torch.Tensor:
    if like.dim() < 2 or like.shape[-1] < 2 or not like.dtype.is_floating_point:
        return _filled(like, float(like.double().mean()))
    return like.double().mean(-1, keepdim=True).expand_as(like).to(like.dtype)


def _noise_like(like: torch.Tensor) -> torch.Tensor:
    import torch

    wide = like.double()
    generator = torch.Generator().manual_seed(SEEDS[0])
    noise = torch.randn(like.shape, generator=generator, dtype=torch.float64) * wide.std() + wide.mean()
    return noise > 0.5 if like.dtype == torch.bool else noise.to(like.dtype)


def _shaped_like(source: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The input in the output's shape: reshaped where it has as many elements, broadcast where it can be."""
    import torch

    if source.numel() == like.numel():
        return source.reshape(like.shape).to(like.dtype)
    try:
        return source.to(like.dtype).expand(like.shape)
    except RuntimeError:
        return torch.full_like(like, 0) if like.numel() == 0 else torch.zeros(0)


def _passes(call: _Call, fakes: list[torch.Tensor], rule: Rule) -> bool:
    pairs = zip(call.expected, fakes, strict=True)
    return all(isinstance(compare(fake, expected, rule), Agreement) for expected, fake in pairs)

"""Do two outputs agree? Pure functions on tensors.

KernelBench accepts |candidate - reference| <= tolerance + tolerance * |reference|, with one number for all problems,
which lets zeros pass where outputs are small. Our own rule keeps that as the outer bound and adds a second one: the
error against a reference computed in higher precision may be at most a few times the error that the working-precision
reference itself makes, measured relative to |exact| + the output's own magnitude.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

KERNELBENCH_TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2, "bf16": 1e-2}
# Honest kernels sum in another order than the reference. This many times its error, and at least this share of
# KernelBench's tolerance (the reference may happen to be exact), is granted to them.
ERROR_FACTOR = 16.0
FLOOR_SHARE = 0.25
CHUNK = 1 << 24

How = Literal["shape", "dtype", "values", "non-finite"]


@dataclass(frozen=True)
class Expected:
    """One expected output: as the reference gives it, and as it gives it in higher precision (None: unknown)."""

    reference: torch.Tensor
    exact: torch.Tensor | None


@dataclass(frozen=True)
class Rule:
    """`tolerance` is KernelBench's, absolute and relative. `scaled`: also hold the error to the output's own scale."""

    tolerance: float
    scaled: bool = True


@dataclass(frozen=True)
class Difference:
    how: How
    message: str
    max_abs_error: float | None = None
    max_rel_error: float | None = None


@dataclass(frozen=True)
class Agreement:
    """The largest errors of an accepted output, absolute and relative to |expected| + the output's magnitude."""

    max_abs_error: float
    max_rel_error: float


def compare_all(actual: Sequence[object], expected: Sequence[Expected], rule: Rule) -> Difference | Agreement:
    """Compares the outputs of one call in order; the first difference is the answer."""
    if len(actual) != len(expected):
        return Difference("shape", f"{len(actual)} outputs where {len(expected)} were expected")
    worst = Agreement(0.0, 0.0)
    for place, (one, wanted) in enumerate(zip(actual, expected, strict=True)):
        found = compare(one, wanted, rule)
        if isinstance(found, Difference):
            where = f"output {place}: " if len(expected) > 1 else ""
            return Difference(found.how, where + found.message, found.max_abs_error, found.max_rel_error)
        worst = Agreement(max(worst.max_abs_error, found.max_abs_error), max(worst.max_rel_error, found.max_rel_error))
    return worst


def compare(actual: object, expected: Expected, rule: Rule) -> Difference | Agreement:
    """Compares one output. Integers and booleans must be equal; infinities must stand where the reference has them."""
    import torch

    reference = expected.reference
    if not isinstance(actual, torch.Tensor):
        return Difference("dtype", f"a {type(actual).__name__} where a tensor was expected")
    if actual.shape != reference.shape:
        return Difference("shape", f"shape {list(actual.shape)} where {list(reference.shape)} was expected")
    if actual.dtype != reference.dtype:
        return Difference("dtype", f"{_name(actual.dtype)} where {_name(reference.dtype)} was expected")
    if reference.dtype.is_complex:
        exact = None if expected.exact is None else torch.view_as_real(expected.exact)
        pair = Expected(torch.view_as_real(reference), exact)
        return compare(torch.view_as_real(actual), pair, rule)
    if not reference.dtype.is_floating_point:
        return _compare_exactly(actual, reference)
    return _compare_floats(actual, expected, rule)


def reference_error(reference: torch.Tensor, exact: torch.Tensor) -> float:
    """The largest error that the working-precision reference makes, relative to |exact| + its magnitude."""
    scale = magnitude(exact)
    worst = 0.0
    for have, true in _chunks(reference, exact):
        error = ((have - true).abs() / (true.abs() + scale)).nan_to_num(0.0, 0.0, 0.0)
        worst = max(worst, float(error.max())) if error.numel() else worst
    return worst


def magnitude(tensor: torch.Tensor) -> float:
    """The root mean square of the finite elements, at most 1 (so that it never loosens KernelBench's bound)."""
    total, count = 0.0, 0
    for (part,) in _chunks(tensor):
        finite = part[part.isfinite()]
        total += float((finite * finite).sum())
        count += finite.numel()
    return min(1.0, math.sqrt(total / count)) if count else 0.0


def _compare_exactly(actual: torch.Tensor, reference: torch.Tensor) -> Difference | Agreement:
    wrong = int((actual != reference).sum())
    if not wrong:
        return Agreement(0.0, 0.0)
    error = float((actual.double() - reference.double()).abs().max())
    return Difference("values", f"{wrong} of {reference.numel()} elements differ{_first(actual, reference)}", error)


def _compare_floats(actual: torch.Tensor, expected: Expected, rule: Rule) -> Difference | Agreement:
    truth = expected.reference if expected.exact is None else expected.exact
    scale = magnitude(truth) if rule.scaled else 1.0
    own_error = reference_error(expected.reference, truth) if rule.scaled else 0.0
    granted = max(ERROR_FACTOR * own_error, FLOOR_SHARE * rule.tolerance)
    wrong = strange = 0
    worst_abs = worst_rel = 0.0
    example = ""
    for place, (have, want, true) in enumerate(_chunks(actual, expected.reference, truth)):
        usual = want.isfinite() & true.isfinite()
        stray = (usual & ~have.isfinite()) | (~usual & (have != want))
        strange += int(stray.sum())
        error = (have - true).abs()
        accepted = (have - want).abs() <= rule.tolerance + rule.tolerance * want.abs()
        if rule.scaled:
            accepted &= error <= granted * (true.abs() + scale)
        bad = usual & have.isfinite() & ~accepted
        wrong += int(bad.sum())
        if not example and bool((bad | stray).any()):
            first = int((bad | stray).nonzero()[0])
            example = f"; element {place * CHUNK + first} is {float(have[first]):.9g}, not {float(want[first]):.9g}"
        fine = usual & have.isfinite()
        if bool(fine.any()):
            worst_abs = max(worst_abs, float(error[fine].max()))
            worst_rel = max(worst_rel, float((error / (true.abs() + scale).clamp_min(1e-300))[fine].max()))
    if strange:
        message = f"{strange} of {actual.numel()} elements are not finite where they should be{example}"
        return Difference("non-finite", message, worst_abs, worst_rel)
    if wrong:
        message = f"{wrong} of {actual.numel()} elements are off by up to {worst_abs:.3g}{example}"
        return Difference("values", message, worst_abs, worst_rel)
    return Agreement(worst_abs, worst_rel)


def _chunks(*tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """The flattened tensors piece by piece in double precision, all on the first one's device."""
    flat = [tensor.detach().reshape(-1) for tensor in tensors]
    for start in range(0, flat[0].numel(), CHUNK):
        yield tuple(one[start : start + CHUNK].to(flat[0].device).double() for one in flat)


def _first(actual: torch.Tensor, reference: torch.Tensor) -> str:
    place = int((actual != reference).reshape(-1).nonzero()[0])
    return f"; element {place} is {actual.reshape(-1)[place].item()}, not {reference.reshape(-1)[place].item()}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")

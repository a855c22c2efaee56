"""Do two outputs agree? Pure functions on tensors.

KernelBench accepts |candidate - reference| <= tolerance + tolerance * |candidate|, with one number for all problems,
which lets zeros pass where outputs are small. Our own rule keeps that as the outer bound, computed as torch computes
it, and adds a second one: the error against a reference in higher precision may be at most a few times the error that
the working-precision reference itself makes, for each element and for the whole output (`tolerance`).

Types and shapes must be the reference's; how the output lies in memory does not matter. Integers and booleans must be
equal. NaN is never right unless the rule says that the problem means it; infinities must stand where they stand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from kval_harness.tolerance import Allowance, OwnError, allowance, magnitude, own_error, pieces

if TYPE_CHECKING:
    import torch

KERNELBENCH_TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2, "bf16": 1e-2}

How = Literal["shape", "dtype", "values", "non-finite", "nondeterministic"]


@dataclass(frozen=True)
class Expected:
    """One expected output: as the reference gives it, and as it gives it in higher precision (None: unknown)."""

    reference: torch.Tensor
    exact: torch.Tensor | None
    measured: OwnError | None = None

    def on_host(self) -> Expected:
        """The same in the host's memory, measured before it leaves its device."""
        measured = self.own if self.reference.dtype.is_floating_point else None
        return Expected(self.reference.cpu(), None if self.exact is None else self.exact.cpu(), measured)

    @cached_property
    def own(self) -> OwnError:
        """The error of the reference itself; of a floating output."""
        if self.measured is not None:
            return self.measured
        if self.exact is None:
            return OwnError(magnitude(self.reference), 0.0, 0.0)
        return own_error(self.reference, self.exact)


@dataclass(frozen=True)
class Rule:
    """`tolerance` is KernelBench's, absolute and relative. `scaled`: also hold the error to the reference's own.

    `slack` multiplies what the second bound grants. `nan_is_a_value`: the problem means its NaNs, and they must stand
    in the same places; otherwise an expected NaN is a mismatch, for nothing can be compared with it.
    """

    tolerance: float
    scaled: bool = True
    slack: float = 1.0
    nan_is_a_value: bool = False


@dataclass(frozen=True)
class Difference:
    how: How
    message: str
    max_abs_error: float | None = None
    max_rel_error: float | None = None
    norm_error: float | None = None


@dataclass(frozen=True)
class Agreement:
    """The largest errors of an accepted output, absolute and relative to |expected| + the output's magnitude, and the
    Euclidean norm of its error over that of the output."""

    max_abs_error: float
    max_rel_error: float
    norm_error: float = 0.0


def compare_all(actual: Sequence[object], expected: Sequence[Expected], rule: Rule) -> Difference | Agreement:
    """Compares the outputs of one call in order; the first difference is the answer."""
    if len(actual) != len(expected):
        return Difference("shape", f"{len(actual)} outputs where {len(expected)} were expected")
    worst = Agreement(0.0, 0.0)
    for place, (one, wanted) in enumerate(zip(actual, expected, strict=True)):
        found = compare(one, wanted, rule)
        if isinstance(found, Difference):
            return replace(found, message=f"output {place}: {found.message}") if len(expected) > 1 else found
        worst = Agreement(
            max(worst.max_abs_error, found.max_abs_error),
            max(worst.max_rel_error, found.max_rel_error),
            max(worst.norm_error, found.norm_error),
        )
    return worst


def compare(actual: object, expected: Expected, rule: Rule) -> Difference | Agreement:
    """Compares one output."""
    import torch

    reference = expected.reference
    if not isinstance(actual, torch.Tensor):
        return Difference("dtype", f"a {type(actual).__name__} where a tensor was expected")
    if actual.shape != reference.shape:
        return _misshapen(actual, expected, rule)
    if actual.dtype != reference.dtype:
        return Difference("dtype", f"{_name(actual.dtype)} where {_name(reference.dtype)} was expected")
    if reference.dtype.is_complex:
        pair = Expected(_parts(reference), None if expected.exact is None else _parts(expected.exact))
        return _compare_floats(_parts(actual), pair, rule, _close(reference, actual, rule)[..., None].expand(-1, 2))
    if not reference.dtype.is_floating_point:
        return _compare_whole_numbers(actual, reference, rule)
    return _compare_floats(actual, expected, rule, _close(reference, actual, rule))


def compare_runs(runs: Sequence[Difference | Agreement]) -> Difference | Agreement:
    """What several runs on the same inputs say together, each over memory full of another pattern.

    All must be right. Right once and wrong once, or wrong in different ways, is nondeterminism: memory that nobody
    wrote, or a race.
    """
    wrong = [one for one in runs if isinstance(one, Difference)]
    right = [one for one in runs if isinstance(one, Agreement)]
    if not wrong:
        return max(right, key=lambda one: one.norm_error)
    if right:
        message = f"right in {len(right)} of {len(runs)} runs on the same inputs, wrong in the others: "
    elif len({one.how for one in wrong}) > 1:
        message = f"wrong in different ways in {len(runs)} runs on the same inputs ({wrong[-1].message}): "
    else:
        return wrong[0]
    return replace(wrong[0], how="nondeterministic", message=message + wrong[0].message)


def changed_places(now: Sequence[torch.Tensor], before: Sequence[torch.Tensor]) -> list[int]:
    """Which tensors are not bit for bit what they were: the inputs that a call has changed."""
    import torch

    def raw(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.detach().contiguous().reshape(-1).view(torch.uint8)

    pairs = enumerate(zip(now, before, strict=True))
    return [
        place
        for place, (new, old) in pairs
        if new.shape != old.shape or new.dtype != old.dtype or not torch.equal(raw(new), raw(old))
    ]


def _misshapen(actual: torch.Tensor, expected: Expected, rule: Rule) -> Difference:
    """A wrong shape, with a word on whether the values would be right in the right one."""
    message = f"shape {list(actual.shape)} where {list(expected.reference.shape)} was expected"
    if actual.numel() == expected.reference.numel() and actual.numel():
        found = compare(actual.reshape(expected.reference.shape), expected, rule)
        if isinstance(found, Agreement):
            message += "; the values are right"
        return Difference("shape", message, found.max_abs_error, found.max_rel_error, found.norm_error)
    return Difference("shape", message)


def _compare_whole_numbers(actual: torch.Tensor, reference: torch.Tensor, rule: Rule) -> Difference | Agreement:
    """Integers and booleans: equal, or under KernelBench's rule alone as close as it wants floats to be."""
    wanted = reference.to(actual.device)
    wrong = (actual != wanted).reshape(-1) if rule.scaled else ~_close(wanted, actual, rule)
    error = (actual.double() - wanted.double()).abs()
    worst = float(error.max()) if error.numel() else 0.0
    count = int(wrong.sum())
    if not count:
        return Agreement(worst, 0.0)
    place = int(wrong.nonzero()[0])
    example = f"element {place} is {actual.reshape(-1)[place].item()}, not {wanted.reshape(-1)[place].item()}"
    return Difference("values", f"{count} of {actual.numel()} elements differ; {example}", worst)


def _compare_floats(
    actual: torch.Tensor, expected: Expected, rule: Rule, close: torch.Tensor
) -> Difference | Agreement:
    """`close` is KernelBench's word on each element, flat where the tensors are not."""
    own = expected.own if rule.scaled else OwnError(1.0, 0.0, 0.0)
    granted = allowance(own, expected.reference.dtype, rule.tolerance, rule.slack) if rule.scaled else None
    truth = expected.reference if expected.exact is None or not rule.scaled else expected.exact
    tally = _Tally(own.scale)
    for have, want, exact, word in pieces(actual, expected.reference, truth, close):
        tally.add(have.double(), want.double(), exact.double(), word, granted, rule)
    return tally.verdict(actual.numel(), granted)


@dataclass
class _Tally:
    """What the pieces of one floating output add up to."""

    scale: float
    wrong: int = 0
    strange: int = 0
    worst_abs: float = 0.0
    worst_rel: float = 0.0
    error_squares: float = 0.0
    squares: float = 0.0
    seen: int = 0
    example: str = ""

    def add(
        self,
        have: torch.Tensor,
        want: torch.Tensor,
        true: torch.Tensor,
        word: torch.Tensor,
        granted: Allowance | None,
        rule: Rule,
    ) -> None:
        """`word` is KernelBench's on each element; alone where the exact reference leaves the numbers."""
        import torch

        close, error, size = word, (have - true).abs(), true.abs()
        room = size + self.scale
        # Where everything expected is zero, nothing but KernelBench's tolerance gives a scale.
        if granted is not None and granted.scale > 0:
            close = word & (error <= granted.element * room + granted.quantum)
        if not math.isfinite(float(error.sum())):
            close = torch.where(true.isfinite(), close, word)
            error, size, room = self._set_strange_apart(have, want, true, close, rule)
        elif not bool(close.all()):
            self.wrong += int((~close).sum())
            self._show(~close, have, want)
        if error.numel():
            self.worst_abs = max(self.worst_abs, float(error.max()))
            self.worst_rel = max(self.worst_rel, float((error / room.clamp_min(1e-300)).max()))
            # In units of the output's magnitude: squares of very small numbers leave the doubles.
            unit = self.scale or 1.0
            self.error_squares += float((error / unit).square().sum())
            self.squares += float((size / unit).square().sum())
        self.seen += have.numel()

    def _set_strange_apart(
        self, have: torch.Tensor, want: torch.Tensor, true: torch.Tensor, close: torch.Tensor, rule: Rule
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Counts what is not finite, here or there; the error, size and room of what can be compared is left."""
        import torch

        same = have == want
        if rule.nan_is_a_value:
            same |= have.isnan() & want.isnan()
        usual = want.isfinite()
        fine = usual & have.isfinite()
        stray = (usual & ~fine) | (~usual & ~same)
        bad = fine & ~close
        self.strange += int(stray.sum())
        self.wrong += int(bad.sum())
        self._show(bad | stray, have, want)
        exact = torch.where(true.isfinite(), true, want)[fine]
        return (have[fine] - exact).abs(), exact.abs(), exact.abs() + self.scale

    def _show(self, bad: torch.Tensor, have: torch.Tensor, want: torch.Tensor) -> None:
        if not self.example and bool(bad.any()):
            first = int(bad.nonzero()[0])
            self.example = f"; element {self.seen + first} is {float(have[first]):.9g}, not {float(want[first]):.9g}"

    def verdict(self, elements: int, granted: Allowance | None) -> Difference | Agreement:
        norm = math.sqrt(self.error_squares / self.squares) if self.squares else 0.0
        figures = (self.worst_abs, self.worst_rel, norm)
        if self.strange:
            message = f"{self.strange} of {elements} elements are not finite where they should be, or the reverse"
            return Difference("non-finite", message + self.example, *figures)
        if self.wrong:
            message = f"{self.wrong} of {elements} elements are off, by up to {self.worst_abs:.3g}"
            return Difference("values", message + self.example, *figures)
        if granted is not None and granted.scale > 0 and norm > granted.norm:
            message = f"no element is far off, but all together are: {norm:.3g} of the output where {granted.norm:.3g}"
            return Difference("values", message + " is what honest rounding explains", *figures)
        return Agreement(*figures)


def _close(reference: torch.Tensor, actual: torch.Tensor, rule: Rule) -> torch.Tensor:
    """KernelBench's word on each element, flat, in torch's own arithmetic; the candidate's side sets the scale."""
    import torch

    def plain(flat: torch.Tensor) -> torch.Tensor:
        return flat.float() if flat.dtype.is_floating_point and flat.dtype.itemsize == 1 else flat

    words = [
        torch.isclose(plain(wanted), plain(have), rtol=rule.tolerance, atol=rule.tolerance)
        for have, wanted in pieces(actual, reference)
    ]
    return torch.cat(words)


def _parts(tensor: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.view_as_real(tensor.resolve_conj())


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")

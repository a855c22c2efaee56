"""Planted errors, each with what must be said about it; and honest differences, which must pass."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from kval_harness.compare import (
    KERNELBENCH_TOLERANCE,
    Agreement,
    Difference,
    Expected,
    Rule,
    compare,
    compare_all,
    magnitude,
    reference_error,
)

torch.set_num_threads(1)  # OpenMP's threads do not survive a fork, and tests fork from this process

OURS = Rule(KERNELBENCH_TOLERANCE["fp32"])
THEIRS = Rule(KERNELBENCH_TOLERANCE["fp32"], scaled=False)


def product(seed: int = 1, size: int = 96) -> tuple[torch.Tensor, torch.Tensor, Expected]:
    """Two factors and their product in fp32 and fp64."""
    generator = torch.Generator().manual_seed(seed)
    left, right = (torch.rand(size, size, generator=generator) - 0.5 for _ in range(2))
    return left, right, Expected(left @ right, left.double() @ right.double())


def planted(change: Callable[[torch.Tensor], torch.Tensor | None]) -> torch.Tensor:
    output = product()[2].reference.clone()
    return output if (changed := change(output)) is None else changed


def fill_tail(output: torch.Tensor) -> None:
    output.view(-1)[-5:] = 0


def lose_last(output: torch.Tensor) -> torch.Tensor:
    return torch.roll(output, 1, 1)


def spoil(output: torch.Tensor) -> None:
    output[3, 4] = float("nan")


def overflow(output: torch.Tensor) -> None:
    output[3, 4] = float("inf")


def forget(output: torch.Tensor) -> None:
    output.view(torch.int32)[5, 6] = 0x5A5A5A5A


def nothing(output: torch.Tensor) -> None:
    return None


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (fill_tail, "values"),
        (lose_last, "values"),
        (lambda output: output.t().contiguous(), "values"),
        (lambda output: torch.zeros_like(output), "values"),
        (lambda output: torch.full_like(output, float(output.mean())), "values"),
        (forget, "values"),
        (spoil, "non-finite"),
        (overflow, "non-finite"),
        (lambda output: output.double(), "dtype"),
        (lambda output: output.half(), "dtype"),
        (lambda output: output.reshape(48, 192), "shape"),
        (lambda output: output[:, :95], "shape"),
        (lambda output: output[None], "shape"),
        (nothing, None),
        (lambda output: output * (1 + 1e-7), None),
    ],
)
def test_planted_errors_are_named(change: Callable[[torch.Tensor], torch.Tensor | None], how: str | None) -> None:
    found = compare(planted(change), product()[2], OURS)
    assert (found.how if isinstance(found, Difference) else None) == how, found


def test_half_precision_accumulation_is_found_and_another_order_is_not() -> None:
    left, right, expected = product()
    halves = (left.half() @ right.half()).float()
    found = compare(halves, expected, OURS)
    assert isinstance(found, Difference) and found.how == "values"
    order = torch.randperm(96, generator=torch.Generator().manual_seed(2))
    assert isinstance(compare(left[:, order] @ right[order], expected, OURS), Agreement)
    one_by_one = torch.zeros_like(expected.reference)
    for place in range(96):  # the naive kernel: one sum, in order
        one_by_one += left[:, place : place + 1] * right[place : place + 1]
    assert isinstance(compare(one_by_one, expected, OURS), Agreement)


def test_small_outputs_are_held_to_their_own_scale() -> None:
    """KernelBench's rule takes zeros for a softmax over many classes; ours does not."""
    logits = torch.rand(4, 50_000, generator=torch.Generator().manual_seed(3))
    expected = Expected(torch.softmax(logits, 1), torch.softmax(logits.double(), 1))
    zeros = torch.zeros_like(logits)
    assert isinstance(compare(zeros, expected, THEIRS), Agreement)
    assert isinstance(compare(zeros, expected, OURS), Difference)
    by_hand = torch.exp(logits) / torch.exp(logits).sum(1, keepdim=True)
    assert isinstance(compare(by_hand, expected, OURS), Agreement)


def test_our_rule_is_never_looser_than_kernelbenchs() -> None:
    """Also where the reference itself is far from the truth."""
    generator = torch.Generator().manual_seed(4)
    exact = torch.randn(2000, generator=generator, dtype=torch.float64)
    reference = (exact + 0.01 * torch.randn(2000, generator=generator, dtype=torch.float64)).float()
    for scale in (1e-6, 1e-4, 1e-3, 1e-2, 1.0):
        actual = reference + scale * torch.randn(2000, generator=generator)
        ours = compare(actual, Expected(reference, exact), OURS)
        if isinstance(ours, Agreement):
            assert torch.allclose(actual, reference, rtol=1e-4, atol=1e-4)


def test_kernelbenchs_rule_is_torch_allclose() -> None:
    generator = torch.Generator().manual_seed(5)
    reference = torch.randn(500, generator=generator)
    verdicts = set()
    for scale in (1e-5, 3e-5, 6e-5, 1e-4, 3e-4):
        actual = reference + scale * torch.randn(500, generator=generator)
        passes = isinstance(compare(actual, Expected(reference, None), THEIRS), Agreement)
        assert passes == torch.allclose(actual, reference, rtol=1e-4, atol=1e-4)
        verdicts.add(passes)
    assert verdicts == {True, False}


def test_integers_and_booleans_must_be_equal() -> None:
    numbers = torch.arange(10)
    assert isinstance(compare(numbers.clone(), Expected(numbers, None), OURS), Agreement)
    off = compare(numbers + (numbers == 7), Expected(numbers, None), OURS)
    assert isinstance(off, Difference) and off.how == "values" and off.max_abs_error == 1
    assert "element 7 is 8, not 7" in off.message
    flags = numbers > 4
    wrong = compare(~flags, Expected(flags, None), OURS)
    assert isinstance(wrong, Difference) and wrong.how == "values"
    assert isinstance(compare(numbers.int(), Expected(numbers, None), OURS), Difference)


def test_expected_infinities_must_stand_where_they_stand() -> None:
    reference = torch.tensor([1.0, float("-inf"), 3.0])
    expected = Expected(reference, reference.double())
    assert isinstance(compare(reference.clone(), expected, OURS), Agreement)
    for other in (float("inf"), -1e38, float("nan")):
        wrong = compare(torch.tensor([1.0, other, 3.0]), expected, OURS)
        assert isinstance(wrong, Difference) and wrong.how == "non-finite"


def test_several_outputs_are_compared_in_order() -> None:
    expected = [product(1)[2], product(2)[2]]
    outputs = [one.reference.clone() for one in expected]
    assert isinstance(compare_all(outputs, expected, OURS), Agreement)
    swapped = compare_all(outputs[::-1], expected, OURS)
    assert isinstance(swapped, Difference) and swapped.message.startswith("output 0: ")
    missing = compare_all(outputs[:1], expected, OURS)
    assert isinstance(missing, Difference) and missing.how == "shape"
    stranger = compare_all([outputs[0], 3.0], expected, OURS)
    assert isinstance(stranger, Difference) and stranger.how == "dtype"


def test_empty_and_scalar_outputs() -> None:
    empty = torch.zeros(0, 3)
    assert isinstance(compare(empty.clone(), Expected(empty, empty.double()), OURS), Agreement)
    scalar = torch.tensor(2.0)
    assert isinstance(compare(torch.tensor(2.0), Expected(scalar, scalar.double()), OURS), Agreement)
    assert isinstance(compare(torch.tensor(2.1), Expected(scalar, scalar.double()), OURS), Difference)
    assert isinstance(compare(torch.tensor([2.0]), Expected(scalar, scalar.double()), OURS), Difference)


def test_errors_are_reported_as_numbers() -> None:
    _, _, expected = product()
    actual = expected.reference.clone()
    actual[0, 0] += 0.5
    found = compare(actual, expected, OURS)
    assert isinstance(found, Difference)
    assert found.max_abs_error == pytest.approx(0.5, rel=1e-5)
    assert "1 of 9216 elements" in found.message and "element 0 is" in found.message


def test_magnitude_and_the_references_own_error() -> None:
    assert magnitude(torch.tensor([3.0, 4.0])) == 1.0
    assert magnitude(torch.tensor([3e-3, 4e-3, float("inf")])) == pytest.approx(5e-3 / 2**0.5)
    assert magnitude(torch.zeros(3)) == 0.0
    _, _, expected = product()
    assert expected.exact is not None
    assert 1e-9 < reference_error(expected.reference, expected.exact) < 1e-5

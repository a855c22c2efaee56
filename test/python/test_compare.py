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
    changed_places,
    compare,
    compare_all,
    compare_runs,
)
from kval_harness.tolerance import allowance, magnitude, own_error

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
            assert torch.allclose(reference, actual, rtol=1e-4, atol=1e-4)


def test_kernelbenchs_rule_is_torch_allclose() -> None:
    generator = torch.Generator().manual_seed(5)
    reference = torch.randn(500, generator=generator)
    verdicts = set()
    for scale in (1e-5, 3e-5, 6e-5, 1e-4, 3e-4):
        actual = reference + scale * torch.randn(500, generator=generator)
        passes = isinstance(compare(actual, Expected(reference, None), THEIRS), Agreement)
        assert passes == torch.allclose(reference, actual, rtol=1e-4, atol=1e-4)
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


def test_where_only_the_exact_reference_leaves_the_numbers_kernelbenchs_bound_holds() -> None:
    reference = torch.tensor([1.0, 2.0, 3.0])
    expected = Expected(reference, torch.tensor([1.0, float("inf"), 3.0], dtype=torch.float64))
    assert isinstance(compare(torch.tensor([1.0, 2.00005, 3.0]), expected, OURS), Agreement)
    for wrong in (2.1, float("inf")):
        assert isinstance(compare(torch.tensor([1.0, wrong, 3.0]), expected, OURS), Difference)
    assert isinstance(compare(torch.tensor([1.0, 2.0, 3.01]), expected, OURS), Difference)
    overflowed = Expected(torch.tensor([1.0, float("inf")]), torch.tensor([1.0, 1e39], dtype=torch.float64))
    assert isinstance(compare(overflowed.reference.clone(), overflowed, OURS), Agreement)
    assert isinstance(compare(torch.tensor([1.0, 3e38]), overflowed, OURS), Difference)


def test_large_outputs_are_compared_piece_by_piece() -> None:
    exact = torch.randn(300_001, generator=torch.Generator().manual_seed(12), dtype=torch.float64)
    expected = Expected(exact.float(), exact)
    assert isinstance(compare(exact.float(), expected, OURS), Agreement)
    for place, value, how in ((0, 9.0, "values"), (200_000, 9.0, "values"), (300_000, float("nan"), "non-finite")):
        actual = exact.float()
        actual[place] = value
        found = compare(actual, expected, OURS)
        assert isinstance(found, Difference) and found.how == how
        assert "1 of 300001 elements" in found.message and f"element {place} is" in found.message


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


def test_right_values_in_a_wrong_shape_are_said_to_be_right() -> None:
    column = torch.arange(1.0, 9.0)[:, None]
    expected = Expected(column[:, 0], column[:, 0].double())
    found = compare(column.clone(), expected, OURS)
    assert isinstance(found, Difference) and found.how == "shape"
    assert "[8, 1] where [8] was expected; the values are right" in found.message
    wrong = compare(column + 1, expected, OURS)
    assert isinstance(wrong, Difference) and "right" not in wrong.message


def test_how_an_output_lies_in_memory_does_not_matter() -> None:
    _, _, expected = product()
    wide = torch.zeros(96, 200)
    for view in (expected.reference.t().contiguous().t(), wide[:, 4:100].copy_(expected.reference)):
        assert not view.is_contiguous()
        assert isinstance(compare(view, expected, OURS), Agreement)
    lying = Expected(expected.reference.t().contiguous().t(), expected.exact)
    assert isinstance(compare(expected.reference.clone(), lying, OURS), Agreement)


def test_a_small_error_everywhere_is_found_though_no_element_is_far_off() -> None:
    """One element that the reference rounds badly makes the bound for each element wide, and not that for all."""
    exact = torch.randn(5000, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    reference = exact.float()
    exact[17] += 2e-5
    everywhere = (exact * (1 + 4e-5)).float()
    assert isinstance(compare(everywhere, Expected(reference, None), THEIRS), Agreement)
    found = compare(everywhere, Expected(reference, exact), OURS)
    assert isinstance(found, Difference) and found.how == "values" and "all together" in found.message


def test_zeros_fail_wherever_the_allowance_is_not_blind() -> None:
    generator = torch.Generator().manual_seed(7)
    for power in range(-30, 20, 5):
        exact = torch.randn(300, generator=generator, dtype=torch.float64) * 10.0**power
        for noise in (0.0, 1e-7, 1e-4, 1e-2, 1.0):
            reference = (exact * (1 + noise * torch.randn(300, generator=generator))).float()
            expected = Expected(reference, exact)
            granted = allowance(expected.own, torch.float32, 1e-4)
            passes = isinstance(compare(torch.zeros(300), expected, OURS), Agreement)
            assert not passes or granted.blind, (power, noise)


def test_where_all_is_zero_kernelbenchs_tolerance_is_all_there_is() -> None:
    nothing = Expected(torch.zeros(50), torch.zeros(50, dtype=torch.float64))
    assert isinstance(compare(torch.full((50,), 1e-9), nothing, OURS), Agreement)
    assert isinstance(compare(torch.full((50,), 1e-3), nothing, OURS), Difference)


def test_huge_and_tiny_magnitudes() -> None:
    generator = torch.Generator().manual_seed(8)
    for scale in (1e-38, 1e-30, 1e-6, 1e6, 1e30):
        exact = torch.randn(1000, generator=generator, dtype=torch.float64) * scale
        expected = Expected(exact.float(), exact)
        assert isinstance(compare((exact * (1 + 1e-6)).float(), expected, OURS), Agreement), scale
        assert isinstance(compare((exact * 1.01).float(), expected, OURS), Difference), scale
        assert isinstance(compare(torch.zeros(1000), expected, OURS), Difference), scale


def test_cancellation_in_the_reference_widens_the_bound_and_never_beyond_kernelbenchs() -> None:
    """Sums that nearly vanish: another order of summation is as right as the reference's."""
    generator = torch.Generator().manual_seed(9)
    terms = torch.randn(64, 4000, generator=generator) * 10
    terms[:, 2000:] = -terms[:, :2000] + torch.rand(64, 2000, generator=generator) * 1e-3
    expected = Expected(terms.sum(1), terms.double().sum(1))
    other = terms.reshape(64, 40, 100).sum(1).sum(1)
    assert (other - expected.reference).abs().max() > 1e-6
    passes = isinstance(compare(other, expected, OURS), Agreement)
    assert passes == torch.allclose(expected.reference, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_outputs_may_be_rounded_the_other_way(dtype: torch.dtype) -> None:
    rule = Rule(1e-2)
    exact = torch.randn(4000, generator=torch.Generator().manual_seed(10), dtype=torch.float64) * 1e-3
    reference = exact.to(dtype)
    neighbour = torch.where(exact > reference.double(), 1, -1).short()
    other = (reference.view(torch.int16) + neighbour * exact.sign().short()).view(dtype)
    for known in (exact, None):
        assert isinstance(compare(other, Expected(reference, known), rule), Agreement)
        assert isinstance(compare(torch.zeros_like(reference), Expected(reference, known), rule), Difference)
        assert isinstance(compare(reference * 1.1, Expected(reference, known), rule), Difference)


def test_complex_outputs() -> None:
    generator = torch.Generator().manual_seed(11)
    signal = torch.randn(8, 256, generator=generator)
    expected = Expected(torch.fft.fft(signal), torch.fft.fft(signal.double()))
    assert isinstance(compare(torch.fft.fft(signal.flip(0)).flip(0), expected, OURS), Agreement)
    assert isinstance(compare(expected.reference.conj(), expected, OURS), Difference)
    spoilt = expected.reference.clone()
    spoilt[0, 0] = complex(float(spoilt[0, 0].real), float("nan"))
    found = compare(spoilt, expected, OURS)
    assert isinstance(found, Difference) and found.how == "non-finite"


def test_an_expected_nan_is_a_mismatch_unless_the_problem_means_it() -> None:
    reference = torch.tensor([1.0, float("nan"), 3.0])
    expected = Expected(reference, reference.double())
    found = compare(reference.clone(), expected, OURS)
    assert isinstance(found, Difference) and found.how == "non-finite"
    meant = Rule(1e-4, nan_is_a_value=True)
    assert isinstance(compare(reference.clone(), expected, meant), Agreement)
    for other in ([1.0, 2.0, 3.0], [float("nan"), float("nan"), 3.0], [1.0, float("inf"), 3.0], [1.0, 0.0, 4.0]):
        assert isinstance(compare(torch.tensor(other), expected, meant), Difference), other


def test_slack_multiplies_what_is_granted_and_kernelbenchs_bound_stays() -> None:
    exact = torch.ones(100, dtype=torch.float64)
    expected = Expected(exact.float(), exact)
    off = (exact * (1 + 6e-5)).float()
    assert isinstance(compare(off, expected, OURS), Difference)
    assert isinstance(compare(off, expected, Rule(1e-4, slack=4)), Agreement)
    assert isinstance(compare((exact * 1.0003).float(), expected, Rule(1e-4, slack=100)), Difference)


def test_runs_over_differently_poisoned_memory_must_agree() -> None:
    right, off, strange = Agreement(0.1, 0.1, 0.1), Difference("values", "off"), Difference("non-finite", "NaN")
    better = Agreement(0.0, 0.0, 0.0)
    assert compare_runs([better, right]) is right
    assert compare_runs([off, off]) is off
    pairs: list[list[Difference | Agreement]] = [[right, off], [off, right], [strange, off]]
    for runs, first in zip(pairs, ("off", "off", "NaN"), strict=True):
        found = compare_runs(runs)
        assert isinstance(found, Difference) and found.how == "nondeterministic"
        assert found.message.endswith(first)


def test_a_changed_input_is_found_bit_for_bit() -> None:
    nan = torch.tensor([float("nan"), 0.0])
    before = [torch.arange(4), torch.rand(3, 3), nan, torch.zeros(0), torch.tensor(True)]
    assert changed_places([one.clone() for one in before], before) == []
    now = [one.clone() for one in before]
    now[1][2, 2] += 1e-7
    now[2][1] = -0.0
    now[4] = ~now[4]
    assert changed_places(now, before) == [1, 2, 4]
    assert changed_places([before[0].int(), *before[1:]], before) == [0]


def test_what_was_measured_on_a_device_comes_along_to_the_host() -> None:
    _, _, expected = product()
    kept = expected.on_host()
    assert kept.measured == expected.own and kept.own is kept.measured
    assert torch.equal(kept.reference, expected.reference)
    numbers = Expected(torch.arange(3), None).on_host()
    assert numbers.measured is None and isinstance(compare(torch.arange(3), numbers, OURS), Agreement)


def test_magnitude_and_the_references_own_error() -> None:
    assert magnitude(torch.tensor([3.0, 4.0])) == 1.0
    assert magnitude(torch.tensor([3e-3, 4e-3, float("inf")])) == pytest.approx(5e-3 / 2**0.5)
    assert magnitude(torch.zeros(3)) == 0.0
    assert magnitude(torch.full((9,), 1e-200, dtype=torch.float64)) == pytest.approx(1e-200)
    _, _, expected = product()
    assert expected.exact is not None
    own = own_error(expected.reference, expected.exact)
    assert own == expected.own
    assert 1e-9 < own.element < 1e-5 and 1e-9 < own.norm < 1e-5 and own.scale == magnitude(expected.exact)

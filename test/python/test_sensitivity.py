"""What the comparison sees and what it forgives, on six kinds of problem: errors against honest kernels."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from kval_harness.compare import KERNELBENCH_TOLERANCE, Agreement, Difference, Expected, Rule, compare
from kval_harness.kernelbench import compare_as_kernelbench
from kval_harness.vary import KINDS, VARIANT_SLACK, is_sound, vary
from planted import HONEST, MISCOMPUTED, How, Inputs, Problem, problems, spoilt

torch.set_num_threads(1)  # OpenMP's threads do not survive a fork, and other tests fork from this process

PROBLEMS = {one.name: one for one in problems()}
NARROW = ["softmax 7x1000", "matmul 40x700x40 rand", "layer norm 5x1023 randn", "conv 16x12 rand", "mean 64x4096 rand"]
CASES = [(name, "fp32") for name in PROBLEMS] + [(name, kind) for name in NARROW for kind in ("fp16", "bf16")]

# Below what an honest order of summation changes: one term of 131,072, bits that positive terms average away.
UNSEEN = {
    ("softmax 2x131072", "the last term forgotten"),
    ("layer norm 5x1023 randn", "eps of 1e-6"),
    ("mean 64x4096 rand", "inputs rounded to TF32"),
}
UNSEEN_ON_VARIANTS = UNSEEN - {("layer norm 5x1023 randn", "eps of 1e-6")}


@cache
def case(name: str, precision: str) -> tuple[Problem, Inputs, Expected]:
    problem = PROBLEMS[name]
    inputs = problem.inputs(1, precision)
    return problem, inputs, problem.expected(inputs)


def found(actual: torch.Tensor, expected: Expected, precision: str, slack: float = 1.0) -> Difference | Agreement:
    return compare(actual, expected, Rule(KERNELBENCH_TOLERANCE[precision], slack=slack))


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_honest_kernels_pass(name: str, precision: str) -> None:
    problem, inputs, expected = case(name, precision)
    for style, how in HONEST.items():
        said = found(problem.candidate(inputs, how), expected, precision)
        assert isinstance(said, Agreement), (style, said)


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_spoilt_outputs_are_named(name: str, precision: str) -> None:
    _, inputs, expected = case(name, precision)
    for error, how, output in spoilt(expected.reference, inputs):
        said = found(output, expected, precision)
        assert isinstance(said, Difference) and said.how == how, (error, said)


def test_what_is_miscomputed_is_found_also_where_kernelbench_does_not_see_it() -> None:
    ours, theirs = set(), set()
    for name in PROBLEMS:
        problem, inputs, expected = case(name, "fp32")
        for error, output in miscomputed(problem, inputs):
            if isinstance(found(output, expected, "fp32"), Agreement):
                ours.add((name, error))
            if compare_as_kernelbench(expected.reference, output, "fp32").correct:
                theirs.add((name, error))
    assert ours == UNSEEN
    assert ours < theirs and len(theirs) >= 3 * len(ours)


@pytest.mark.parametrize("name", PROBLEMS)
def test_variants_of_the_inputs_show_more_and_accuse_no_honest_kernel(name: str) -> None:
    problem, inputs, _ = case(name, "fp32")
    seen: set[str] = set()
    planted: set[str] = set()
    for kind in KINDS:
        varied = vary(inputs, kind, torch.Generator().manual_seed(3))
        assert isinstance(varied, list)
        expected = problem.expected(varied)
        assert is_sound(expected)
        for style, how in HONEST.items():
            said = found(problem.candidate(varied, how), expected, "fp32", VARIANT_SLACK)
            assert isinstance(said, Agreement), (kind, style, said)
        for error, output in miscomputed(problem, varied):
            planted.add(error)
            if isinstance(found(output, expected, "fp32", VARIANT_SLACK), Difference):
                seen.add(error)
    assert {(name, error) for error in planted - seen} == {one for one in UNSEEN_ON_VARIANTS if one[0] == name}


def miscomputed(problem: Problem, inputs: Inputs) -> list[tuple[str, torch.Tensor]]:
    """The errors that this problem can have: those that change its output."""
    right = problem.candidate(inputs, How())
    outputs = [(error, problem.candidate(inputs, how)) for error, how in MISCOMPUTED.items()]
    return [(error, output) for error, output in outputs if not torch.equal(output, right)]

"""The starter problems are sound and small, and every sample candidate says what is expected of it.

That it gets what it expects is held by `test/quickstart.test.ts`, which labels them all.
"""

from __future__ import annotations

import ast
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[2] / "kernelbench"
PROBLEMS = sorted(ROOT.glob("starter/level*/*.py"))
CANDIDATES = sorted(path for path in ROOT.glob("candidates/*/*") if path.suffix in (".py", ".cu"))
BY_STEM = {path.stem: path for path in PROBLEMS}
OUTCOMES = {
    "correct",
    "compile-error nvcc",
    "compile-error rules",
    "compile-error g++",
    "compile-error link",
    "load-error",
    "runtime-error forward",
    "runtime-error construct",
    "runtime-error import",
    "timeout forward",
    "mismatch values",
    "mismatch shape",
    "mismatch dtype",
    "mismatch non-finite",
    "mismatch input-mutated",
    "mismatch nondeterministic",
    "rejected no-kernel-launched",
    "invalid no-model",
    "invalid no-kernel",
    "invalid other-backend",
    "invalid python-error",
    "invalid not-python",
}


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def small(path: Path) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": path.stem}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    unknown = [constant for constant in namespace["SMALL"] if constant not in namespace]
    assert not unknown, f"SMALL names constants that the module does not have: {unknown}"
    namespace.update(namespace["SMALL"])
    return namespace


def forward(namespace: dict[str, Any], seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    model = namespace["Model"](*namespace["get_init_inputs"]())
    inputs = namespace["get_inputs"]()
    with torch.no_grad():
        output = model(*inputs)
    assert isinstance(output, torch.Tensor)
    return output


def expectation(path: Path) -> str:
    found = re.match(r"(?:#|//) expected: (\S.*)\n(?:#|//) \S", path.read_text())
    assert found, "the first line must be '# expected: ...' and the second a comment that says what it shows"
    return found.group(1)


def test_there_are_enough() -> None:
    assert len(PROBLEMS) >= 32
    assert len(BY_STEM) == len(PROBLEMS), "two problems share a file name, so candidates could not tell them apart"
    assert len(CANDIDATES) >= 60
    counted = Counter(expectation(path) for path in CANDIDATES)
    assert counted["correct"] >= 36
    assert set(counted) == OUTCOMES
    assert {path.parent.name for path in CANDIDATES if expectation(path) == "correct"} == set(BY_STEM)


@pytest.mark.parametrize("path", PROBLEMS, ids=name_of)
def test_problem_is_small_and_repeatable(path: Path) -> None:
    assert re.fullmatch(r"\d+_\w+", path.stem)
    namespace = small(path)
    forward(namespace, 7)
    began = time.perf_counter()
    first = forward(namespace, 7)
    assert time.perf_counter() - began < 1.0
    assert torch.equal(first, forward(namespace, 7)), "one seed must give one answer"
    assert not torch.equal(first, forward(namespace, 8)), "another seed must give another answer"


@pytest.mark.parametrize("path", PROBLEMS, ids=name_of)
def test_full_size_is_for_a_gpu(path: Path) -> None:
    namespace: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    with torch.device("meta"):
        inputs = namespace["get_inputs"]()
        output = namespace["Model"](*namespace["get_init_inputs"]())(*inputs)
    moved = sum(one.nbytes for one in (*inputs, output))
    assert 2**24 < moved < 2**30
    small_inputs = small(path)["get_inputs"]()
    assert sum(one.nbytes for one in small_inputs) < 2**20


@pytest.mark.parametrize("path", PROBLEMS, ids=name_of)
def test_problem_is_admitted(path: Path) -> None:
    from kval_harness.admission import find_weaknesses

    assert find_weaknesses(path.read_text(), small=True, tolerance=1e-4) == []
    assert find_weaknesses(path.read_text(), small=True, tolerance=None) == []


def test_admission_refuses_a_degenerate_problem() -> None:
    """The test above can fail: probabilities far below the tolerance are zeros to it."""
    from kval_harness.admission import find_weaknesses

    source = BY_STEM["26_Softmax"].read_text()
    degenerate = source.replace("torch.softmax(x, dim=1)", "torch.softmax(x, dim=1) / 1e5")
    assert degenerate != source
    kinds = {finding.kind for finding in find_weaknesses(degenerate, small=True, tolerance=1e-4)}
    assert {"zeros", "mean"} <= kinds


@pytest.mark.parametrize("path", CANDIDATES, ids=name_of)
def test_candidate_says_what_is_expected(path: Path) -> None:
    expected = expectation(path)
    assert expected in OUTCOMES
    assert path.parent.name in BY_STEM
    if path.suffix == ".cu":
        assert "PYBIND11_MODULE" in path.read_text()
    elif expected == "invalid not-python" or "SyntaxError" in path.read_text().split("\n")[1]:
        with pytest.raises(SyntaxError):
            ast.parse(path.read_text())
    else:
        tree = ast.parse(path.read_text())
        classes = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        assert ("ModelNew" in classes) == (expected != "invalid no-model")


def test_no_two_candidates_are_the_same_text() -> None:
    bodies = Counter(path.read_text().split("\n", 2)[2] for path in CANDIDATES)
    assert max(bodies.values()) == 1

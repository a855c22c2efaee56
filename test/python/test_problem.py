"""Problems are loaded, sized and described without allocating their inputs."""

from __future__ import annotations

import json
import os
import resource
from collections import Counter
from pathlib import Path

import pytest
import torch
from kval_harness.outcome import InstrumentError
from kval_harness.problem import describe_shapes, load_problem, problem_report, split_init

torch.set_num_threads(1)  # OpenMP's threads do not survive a fork, and tests fork from this process

ROOT = Path(__file__).resolve().parents[2]
CORPORA = Path(os.environ.get("KVAL_CORPORA", ROOT.parent / "shared" / "corpora"))
OFFICIAL = CORPORA / "kernelbench-problems.jsonl"

PROBLEM = """
import torch

ROWS = 1 << 20
COLUMNS = 1 << 20
SMALL = {"ROWS": 4, "COLUMNS": 8}

class Model(torch.nn.Module):
    def __init__(self, columns, scale=1.0):
        super().__init__()
        self.scale = scale

    def forward(self, x, mask, classes, power):
        return x * self.scale

def get_inputs():
    mask = torch.randint(0, 2, (ROWS, COLUMNS)).bool()
    return [torch.rand(ROWS, COLUMNS).half(), mask, torch.randint(0, 9, (ROWS,)), 2.5]

def get_init_inputs():
    return [COLUMNS, 0.5]
"""


def test_shapes_and_types_are_told_without_allocating() -> None:
    """Terabytes would be needed for the full size."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = problem_report(PROBLEM)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20
    size = [1 << 20, 1 << 20]
    assert report["shapes"] == {
        "inputs": [
            {"shape": size, "dtype": "float16"},
            {"shape": size, "dtype": "bool"},
            {"shape": [1 << 20], "dtype": "int64"},
            {"shape": None, "dtype": "float", "value": 2.5},
        ],
        "init": [1 << 20, 0.5],
        "unknown": None,
    }
    small = report["smallShapes"]
    assert isinstance(small, dict) and isinstance(small["inputs"], list)
    assert small["inputs"][0] == {"shape": [4, 8], "dtype": "float16"}
    assert small["init"] == [8, 0.5]
    assert report["hasSmall"] is True


def test_the_shape_hash_follows_the_sizes_and_nothing_else() -> None:
    report = problem_report(PROBLEM)
    renamed = problem_report(PROBLEM.replace("self.scale", "self.factor") + "\n# a comment\n")
    grown = problem_report(PROBLEM.replace("ROWS = 1 << 20", "ROWS = 1 << 21"))
    retyped = problem_report(PROBLEM.replace(".half()", ".double()"))
    assert report["shapeHash"] == renamed["shapeHash"]
    assert report["shapeHash"] not in (grown["shapeHash"], retyped["shapeHash"], report["smallShapeHash"])
    assert report["smallShapeHash"] == grown["smallShapeHash"]
    assert isinstance(report["shapeHash"], str) and len(report["shapeHash"]) == 64


def test_a_problem_that_computes_on_values_is_unknown_with_a_reason() -> None:
    valued = PROBLEM.replace("return [torch.rand(ROWS", "n = int(torch.rand(1).item())\n    return [torch.rand(ROWS")
    report = problem_report(valued)
    assert isinstance(report["shapes"], dict)
    assert report["shapes"]["inputs"] is None
    assert "get_inputs needs real values" in str(report["shapes"]["unknown"])
    assert report["shapeHash"] is None


def test_a_problem_whose_packages_are_missing_says_which() -> None:
    report = problem_report("import no_such_package_at_all\n" + PROBLEM)
    assert isinstance(report["shapes"], dict)
    assert "no_such_package_at_all" in str(report["shapes"]["unknown"])


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("", "does not define Model"),
        ("def Model(:", "SyntaxError"),
        (PROBLEM.replace("def get_init_inputs", "def other"), "does not define get_init_inputs"),
        (
            PROBLEM.replace('SMALL = {"ROWS": 4', 'SMALL = {"RAWS": 4'),
            "SMALL names what the module does not define: RAWS",
        ),
        (PROBLEM.replace('SMALL = {"ROWS": 4, "COLUMNS": 8}', "SMALL = 3"), "SMALL is not a dict"),
    ],
)
def test_a_broken_problem_says_what_is_wrong(source: str, complaint: str) -> None:
    with pytest.raises(InstrumentError) as caught:
        problem_report(source)
    assert caught.value.code == "problem-broken"
    assert complaint in caught.value.message


def test_a_problem_without_a_small_size_refuses_one() -> None:
    with pytest.raises(InstrumentError, match="no small size"):
        load_problem(PROBLEM.replace("SMALL =", "TINY ="), small=True)


def test_init_inputs_come_in_three_forms() -> None:
    assert split_init([1, 2]) == ([1, 2], {})
    assert split_init([[1], {"bias": False}]) == ([1], {"bias": False})
    assert split_init([[], {"bias": False}]) == ([], {"bias": False})
    assert split_init([[3, 3], 2]) == ([[3, 3], 2], {})
    model = PROBLEM.replace("return [COLUMNS, 0.5]", 'return [[], {"columns": COLUMNS, "scale": 2.0}]')
    problem = load_problem(model, small=True)
    args, kwargs = problem.init_inputs()
    assert problem.model(args, kwargs).scale == 2.0
    assert describe_shapes(problem).init == [{"columns": 8, "scale": 2.0}]


@pytest.mark.skipif(not OFFICIAL.exists(), reason=f"needs {OFFICIAL.name} in KVAL_CORPORA or ../shared/corpora")
def test_official_problems_are_described() -> None:
    """All but those that need what is not here: a package, or configurations from a hub."""
    levels: Counter[int] = Counter()
    unknown = []
    for line in OFFICIAL.read_text().splitlines():
        row = json.loads(line)
        report = problem_report(row["code"])
        shapes = report["shapes"]
        assert isinstance(shapes, dict)
        if shapes["unknown"] is None:
            levels[row["level"]] += 1
            assert report["shapeHash"] is not None
        else:
            unknown.append((row["level"], row["problem_id"], shapes["unknown"]))
    assert levels[1] == levels[2] == 100
    lacking = ("needs the Python package", "needs files of a model hub")
    assert all(any(words in str(reason) for words in lacking) for _, _, reason in unknown), unknown

"""Degenerate problems are told by what passes for them; sound ones are admitted."""

from __future__ import annotations

import pytest
import torch
from kval_harness.admission import check_problem, find_weaknesses

torch.set_num_threads(1)  # OpenMP's threads do not survive a fork, and other tests fork from this process


def problem(forward: str, inputs: str = "torch.randn(32, 64)", init: str = "pass") -> str:
    return f"""
import torch
import torch.nn as nn
import torch.nn.functional as F

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        {init}

    def forward(self, x):
        return {forward}

def get_inputs():
    return [{inputs}]

def get_init_inputs():
    return []
"""


SOUND = {
    "relu of both signs": problem("torch.relu(x)"),
    "linear": problem("self.linear(x)", init="self.linear = nn.Linear(64, 16)"),
    "softmax": problem("torch.softmax(x, dim=1)"),
    "sum over a dimension": problem("x.sum(1)"),
    "a column": problem("x.sum(1, keepdim=True)"),
    "a scalar loss": problem("F.mse_loss(x[0], x[1])"),
    "argmax": problem("x.argmax(1)"),
    "two outputs": problem("(x.sum(1), x.amax(0))"),
}

DEGENERATE = {
    "group norm, then the mean of all": (
        problem("self.norm(x).mean(1)", init="self.norm = nn.GroupNorm(4, 64)"),
        "zeros",
    ),
    "an output identically zero": (problem("torch.relu(x) * 0"), "zeros"),
    "a saturated activation": (problem("torch.sigmoid(x + 50)"), "constant"),
    "relu of what is positive": (problem("torch.relu(x)", "torch.rand(32, 64)"), "input-copy"),
    "the input itself": (problem("x.clone()"), "input-copy"),
    "the input in another shape": (problem("x.reshape(64, 32)"), "input-copy"),
    "hardly varying elements": (problem("1 + x.mean() + 1e-7 * x"), "mean"),
    "rows of one value each": (problem("x.sum(1, keepdim=True).expand(32, 9) * (1 + 1e-7 * x[:, :9])"), "mean"),
    "inputs that do not matter": (
        problem("self.weight.sin() + 1e-7 * x.sum()", init="self.weight = nn.Parameter(torch.arange(9.0))"),
        "low-variance",
    ),
    "an overflow": (problem("x / 0"), "non-finite"),
    "a failing forward": (problem("x @ x"), "error"),
    "no output": (problem("None"), "error"),
    "no python": ("class Model(:", "error"),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_problems_are_admitted(name: str) -> None:
    report = check_problem(SOUND[name], small=False, tolerance=1e-4)
    assert report["admitted"] is True, report["findings"]
    assert check_problem(SOUND[name], small=False, tolerance=None)["findings"] == []


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_problems_are_told_by_what_would_pass(name: str) -> None:
    source, kind = DEGENERATE[name]
    for tolerance in (1e-4, None):
        report = check_problem(source, small=False, tolerance=tolerance)
        assert report["admitted"] is False
        assert isinstance(report["findings"], list)
        kinds = [one["kind"] for one in report["findings"] if isinstance(one, dict)]
        assert kind in kinds, report["findings"]
        assert len(kinds) == len(set(kinds))


def test_a_looser_tolerance_admits_less() -> None:
    """Softmax over many classes: KernelBench's tolerance takes zeros, our own does not."""
    source = problem("torch.softmax(x, dim=1)", "torch.rand(8, 20000)")
    kinds = [finding.kind for finding in find_weaknesses(source, small=False, tolerance=1e-4)]
    assert "zeros" in kinds
    assert find_weaknesses(source, small=False, tolerance=None) == []

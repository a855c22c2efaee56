"""Which wrong answers does the comparison see, which right ones does it accept, and what would KernelBench say?

    python bench/sensitivity.py

Six kinds of problem on two shapes each, fp32, with the errors and the honest variations of `test/python/planted.py`.
Columns: our rule on the problem's own inputs; the same and on varied inputs besides; KernelBench's rule at its
tolerance for fp32 (1e-4), and at 1e-2. Each cell counts the problems in which the error is caught, of those that can
have it; the last rows count honest kernels that are accepted. Written to `sensitivity.json` under $OUT, else under
bench/results.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "cuda-harness"), str(ROOT / "test" / "python")]

import torch  # noqa: E402
from kval_harness.compare import KERNELBENCH_TOLERANCE, Agreement, Expected, Rule, compare  # noqa: E402
from kval_harness.kernelbench import compare_as_kernelbench  # noqa: E402
from kval_harness.vary import KINDS, VARIANT_SLACK, is_sound, vary  # noqa: E402
from planted import (  # type: ignore[import-not-found]  # noqa: E402  # lives with the tests
    HONEST,
    MISCOMPUTED,
    How,
    Inputs,
    Problem,
    problems,
    spoilt,
)

TOLERANCE = KERNELBENCH_TOLERANCE["fp32"]
Column = Callable[[torch.Tensor, Expected], bool]  # whether an output is accepted
COLUMNS: dict[str, Column] = {
    "ours": lambda output, expected: isinstance(compare(output, expected, Rule(TOLERANCE)), Agreement),
    "KernelBench 1e-4": lambda output, expected: compare_as_kernelbench(expected.reference, output, "fp32").correct,
    "KernelBench 1e-2": lambda output, expected: compare_as_kernelbench(expected.reference, output, "fp16").correct,
}
HEAD = ("ours", "ours, varied", "KernelBench 1e-4", "KernelBench 1e-2")


def main() -> None:
    torch.set_num_threads(1)
    caught: dict[str, dict[str, int]] = {}
    accepted: dict[str, dict[str, int]] = {}
    for problem in problems():
        inputs = problem.inputs(1, "fp32")
        expected = problem.expected(inputs)
        for error, output, how in _wrong(problem, inputs, expected):
            words = {name: accepts(output, expected) for name, accepts in COLUMNS.items()}
            words["ours, varied"] = words["ours"] and (how is None or _accepted_varied(problem, inputs, how))
            _count(caught, error, {name: not word for name, word in words.items()})
        for style, how in HONEST.items():
            output = problem.candidate(inputs, how)
            words = {name: accepts(output, expected) for name, accepts in COLUMNS.items()}
            words["ours, varied"] = words["ours"] and _accepted_varied(problem, inputs, how)
            _count(accepted, style, words)
    out = Path(os.environ.get("OUT") or ROOT / "bench" / "results")
    out.mkdir(parents=True, exist_ok=True)
    report = {"command": sys.argv, "torch": torch.__version__, "caught": caught, "accepted": accepted}
    (out / "sensitivity.json").write_text(json.dumps(report, indent=2) + "\n")
    _print("planted error: caught in", caught)
    _print("honest kernel: accepted in", accepted)


def _wrong(problem: Problem, inputs: Inputs, expected: Expected) -> Iterator[tuple[str, torch.Tensor, How | None]]:
    """Every error that this problem can have, and how it is computed where that can be done on other inputs too."""
    right = problem.candidate(inputs, How())
    for error, _, output in spoilt(expected.reference, inputs):
        yield error, output, None
    for error, how in MISCOMPUTED.items():
        output = problem.candidate(inputs, how)
        if not torch.equal(output, right):
            yield error, output, how


def _accepted_varied(problem: Problem, inputs: Inputs, how: How) -> bool:
    """Whether our rule accepts it on every variant of the inputs that the reference is sound on."""
    rule = Rule(TOLERANCE, slack=VARIANT_SLACK)
    for kind in KINDS:
        varied = vary(inputs, kind, torch.Generator().manual_seed(3))
        if not isinstance(varied, list):
            continue
        expected = problem.expected(varied)
        if is_sound(expected) and not isinstance(compare(problem.candidate(varied, how), expected, rule), Agreement):
            return False
    return True


def _count(table: dict[str, dict[str, int]], row: str, words: dict[str, bool]) -> None:
    counts = table.setdefault(row, dict.fromkeys((*HEAD, "of"), 0))
    counts["of"] += 1
    for name, word in words.items():
        counts[name] += word


def _print(title: str, table: dict[str, dict[str, int]]) -> None:
    print("\n| " + " | ".join((title, *HEAD)) + " |")
    print("|" + " --- |" * (len(HEAD) + 1))
    for row, counts in table.items():
        print("| " + " | ".join((row, *(f"{counts[name]}/{counts['of']}" for name in HEAD))) + " |")


if __name__ == "__main__":
    main()
